/** One try of the way to the server: a data channel that echoes. */

import { gathered } from "../rtc/peer";
import { Problem, Unreachable } from "../server/http";

export type ProbeOutcome =
  | { readonly kind: "through"; readonly roundTripMs: number }
  /** No relay was lent; the code is STUN's, 701 for a server that does not answer, null for none given. */
  | { readonly kind: "no-relay"; readonly errorCode: number | null }
  | { readonly kind: "blocked" }
  /** The server does not take part. */
  | { readonly kind: "refused"; readonly detail: string }
  /** The browser does not: it has no WebRTC, or does not take what the server names. */
  | { readonly kind: "unusable"; readonly detail: string };

const TIMEOUT_MS = 8_000;
const ECHOES = 3;

/** @param exchange sends the offer's SDP and resolves to the answer's */
export async function probe(
  exchange: (offer: string) => Promise<string>,
  iceServers: readonly RTCIceServer[],
  policy: RTCIceTransportPolicy,
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  if (typeof RTCPeerConnection === "undefined") {
    return { kind: "unusable", detail: "it has no WebRTC, or it is switched off" };
  }
  let connection: RTCPeerConnection | null = null;
  let errorCode: number | null = null;
  try {
    connection = new RTCPeerConnection({
      iceServers: [...iceServers],
      iceTransportPolicy: policy,
    });
    connection.addEventListener("icecandidateerror", (event) => {
      // A refusal says more than that another address of the same server did not answer.
      if (errorCode === null || errorCode === 701) errorCode = event.errorCode;
    });
    const channel = connection.createDataChannel("probe");
    await connection.setLocalDescription();
    await gathered(connection, policy === "relay" ? TIMEOUT_MS : undefined);
    const offer = connection.localDescription?.sdp ?? "";
    if (policy === "relay" && !offer.includes("a=candidate:")) {
      return { kind: "no-relay", errorCode };
    }
    await connection.setRemoteDescription({ type: "answer", sdp: await exchange(offer) });
    const roundTripMs = await echo(channel, signal);
    return roundTripMs === null ? { kind: "blocked" } : { kind: "through", roundTripMs };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Problem) {
      return { kind: "refused", detail: error.detail || error.title };
    }
    if (error instanceof Unreachable) {
      return { kind: "refused", detail: "the server does not answer" };
    }
    if (error instanceof DOMException) return { kind: "unusable", detail: error.message };
    throw error;
  } finally {
    connection?.close();
  }
}

/** The quickest of some echoes in milliseconds; null where none came. */
function echo(channel: RTCDataChannel, signal: AbortSignal): Promise<number | null> {
  return new Promise((resolve) => {
    const times: number[] = [];
    let sentAt = 0;
    const send = () => {
      sentAt = performance.now();
      channel.send("echo");
    };
    const end = (result: number | null) => {
      clearTimeout(timer);
      resolve(result);
    };
    const timer = setTimeout(() => end(null), TIMEOUT_MS);
    signal.addEventListener("abort", () => end(null), { once: true });
    channel.addEventListener("open", send);
    channel.addEventListener("message", () => {
      times.push(performance.now() - sentAt);
      if (times.length < ECHOES) send();
      else end(Math.max(1, Math.round(Math.min(...times))));
    });
  });
}
