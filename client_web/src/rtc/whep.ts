/** A WHEP player (draft-ietf-wish-whep-03): one offer, one answer, one address to end it at. */

import { authorized, Problem, problem, Unreachable } from "../server/http";
import { iceServersOf } from "./ice";
import { ConnectionFailed, gathered, showAtOnce } from "./peer";

const TIMEOUT_MS = 10_000;

export interface Viewing {
  readonly connection: RTCPeerConnection;
  readonly stream: MediaStream;
  /** The session that is watched, where the server names it. */
  readonly session: URL | null;
  /** Tell the server at once; it would notice by itself only after some seconds. */
  end(): void;
}

/**
 * Watch what `endpoint` shows.
 *
 * @throws Unreachable, Problem or ConnectionFailed
 */
export async function watch(endpoint: URL, token: string | null): Promise<Viewing> {
  const headers = authorized(token);
  // Before the offer: candidates that were gathered without the servers would not be gathered again.
  const described = await reach(endpoint, { method: "OPTIONS", headers });
  const iceServers = iceServersOf(described.headers.get("Link"));
  const connection = new RTCPeerConnection({ iceServers });
  try {
    const stream = new MediaStream();
    for (const kind of ["video", "audio"]) {
      const { receiver } = connection.addTransceiver(kind, { direction: "recvonly" });
      if (kind === "video") showAtOnce(receiver);
      stream.addTrack(receiver.track);
    }
    await connection.setLocalDescription();
    await gathered(connection);

    const response = await reach(endpoint, {
      method: "POST",
      headers: [["Content-Type", "application/sdp"], ...headers],
      body: connection.localDescription?.sdp ?? "",
    });
    if (response.status !== 201) throw await problem(response);
    const resource = new URL(response.headers.get("Location") ?? "", endpoint);
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
    const related = /<([^>]+)>;\s*rel="related"/.exec(response.headers.get("Link") ?? "")?.[1];
    const session = related === undefined ? null : new URL(related, endpoint);
    const end = () => {
      connection.close();
      fetch(resource, { method: "DELETE", headers, keepalive: true }).catch(() => {});
    };
    return { connection, stream, session, end };
  } catch (error) {
    connection.close();
    throw error instanceof DOMException ? new ConnectionFailed(error.message) : error;
  }
}

async function reach(url: URL, request: RequestInit): Promise<Response> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    return await fetch(url, { ...request, cache: "no-store", signal });
  } catch {
    throw new Unreachable();
  }
}

/** Seconds the server asks to wait, 0 where it does not. */
export function askedToWaitS(error: unknown): number {
  return error instanceof Problem ? (error.retryAfterS ?? 0) : 0;
}
