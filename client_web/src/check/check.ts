/** The connection check: what a live edit needs, tried one after the other, each with its fix where it fails. */

import { relays } from "../rtc/ice";
import { codecName } from "../rtc/traffic";
import type { Api, Network } from "../server/api";
import { Problem, Unreachable } from "../server/http";
import { listCameras, openCamera } from "../sources/camera";
import { CameraTrouble, describe } from "../troubles";
import { type ProbeOutcome, probe } from "./probe";

export const CHECKS = ["camera", "server", "udp", "turn", "codec"] as const;
export type Check = (typeof CHECKS)[number];

export interface Finding {
  /** "idle" is neither good nor bad: it cannot be told, or is not needed. */
  readonly state: "running" | "good" | "bad" | "idle";
  readonly words: string;
}

const RUNNING: Finding = { state: "running", words: "Trying…" };
const CAMERA_SIZE = { width: 640, height: 480 };

const good = (words: string): Finding => ({ state: "good", words });
const bad = (words: string): Finding => ({ state: "bad", words });
const idle = (words: string): Finding => ({ state: "idle", words });

/**
 * Check everything; never throws for what a visitor can be told instead.
 *
 * @param cameraInUse whether the page shows a camera already
 * @param onFinding called with each finding as it is made
 */
export async function checkConnection(
  api: Api,
  cameraInUse: boolean,
  onFinding: (check: Check, finding: Finding) => void,
  signal: AbortSignal,
): Promise<void> {
  const run = async (check: Check, find: () => Promise<Finding> | Finding): Promise<Finding> => {
    onFinding(check, RUNNING);
    const finding = await find();
    signal.throwIfAborted();
    onFinding(check, finding);
    return finding;
  };
  try {
    await run("server", () => checkServer(api, signal));
    const network = await api.network(signal).catch((error: unknown) => {
      if (error instanceof Problem || error instanceof Unreachable) return null;
      throw error;
    });
    const udp = await run("udp", () => checkUdp(api, network, signal));
    await run("turn", () => checkTurn(api, network, udp, signal));
    await run("codec", () => checkCodec(network));
    // Last: the browser may ask the visitor, who may take a while.
    await run("camera", () => checkCamera(cameraInUse));
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function checkCamera(inUse: boolean): Promise<Finding> {
  if (inUse) return good("It is in use on this page.");
  try {
    const source = await openCamera(null, CAMERA_SIZE);
    source.close();
    const cameras = await listCameras();
    return good(cameras.length > 1 ? `${source.label}, of ${cameras.length}.` : `${source.label}.`);
  } catch (error) {
    if (!(error instanceof CameraTrouble)) throw error;
    const { title, words } = describe(error.kind, error.detail);
    return bad(`${title}. ${words}`);
  }
}

async function checkServer(api: Api, signal: AbortSignal): Promise<Finding> {
  try {
    const notReady = await api.notReady(signal);
    if (notReady === null) return good("It answers, and its model is ready.");
    if (notReady.warming) return idle("It answers; its model is warming up. Wait a moment.");
    return bad(`It answers, but has no model to edit with: ${notReady.detail}.`);
  } catch (error) {
    if (error instanceof Problem) return bad(`It refuses: ${error.detail || error.title}.`);
    if (!(error instanceof Unreachable)) throw error;
    return bad(
      "It does not answer. Start it with “make serve” where it belongs; if it runs, check the address of this page and the network.",
    );
  }
}

const UNTRIED = idle("Not tried: the server has to answer first.");

async function checkUdp(api: Api, network: Network | null, signal: AbortSignal): Promise<Finding> {
  if (network === null) return UNTRIED;
  const outcome = await probe(
    (sdp) => api.probe(sdp, signal),
    network.iceServers.filter((server) => !relays(server)),
    "all",
    signal,
  );
  return udpFinding(outcome, network);
}

export function udpFinding(outcome: ProbeOutcome, network: Network): Finding {
  switch (outcome.kind) {
    case "through":
      return good(`Packets reach the server directly and come back in ${outcome.roundTripMs} ms.`);
    case "refused":
      return idle(`Not tried: ${outcome.detail}.`);
    case "unusable":
      return unusable(outcome.detail);
    case "no-relay":
    case "blocked": {
      const ports =
        network.udpPorts === null ? "all UDP ports" : `the UDP ports ${network.udpPorts}`;
      return bad(
        `No packet gets through directly. Open ${ports} to the server in its firewall; behind a NAT or in a container also set AFTERIMAGE_PUBLIC_ADDRESS there. A TURN server goes around it.`,
      );
    }
  }
}

function unusable(detail: string): Finding {
  return bad(`This browser cannot try it: ${detail.replace(/\.$/, "")}.`);
}

async function checkTurn(
  api: Api,
  network: Network | null,
  udp: Finding,
  signal: AbortSignal,
): Promise<Finding> {
  if (network === null) return UNTRIED;
  const servers = network.iceServers.filter(relays);
  if (servers.length === 0) {
    return udp.state === "bad"
      ? bad(
          "The server names none. Run coturn where both sides reach it, and name it in AFTERIMAGE_ICE_SERVERS on the server.",
        )
      : idle("The server names none, and none is needed from here.");
  }
  return turnFinding(await probe((sdp) => api.probe(sdp, signal), servers, "relay", signal));
}

export function turnFinding(outcome: ProbeOutcome): Finding {
  switch (outcome.kind) {
    case "through":
      return good(`The relay reaches the server; there and back in ${outcome.roundTripMs} ms.`);
    case "refused":
      return idle(`Not tried: ${outcome.detail}.`);
    case "unusable":
      return unusable(outcome.detail);
    case "no-relay":
      if (outcome.errorCode === 401 || outcome.errorCode === 403 || outcome.errorCode === 441) {
        return bad(
          "The TURN server refuses the credential. The secret or the password in AFTERIMAGE_ICE_SERVERS must be the TURN server's own, and both clocks right.",
        );
      }
      return bad(
        "The TURN server does not answer. Check that it runs, and its address and port in AFTERIMAGE_ICE_SERVERS; where UDP is blocked, add an address with ?transport=tcp.",
      );
    case "blocked":
      return bad(
        "The TURN server lends a relay, but the relay does not reach the server. Let coturn send to the server's address (its denied-peer-ip and allowed-peer-ip), and open the server's UDP ports to it.",
      );
  }
}

function checkCodec(network: Network | null): Finding {
  const served = network?.codecs ?? ["VP8", "H264"];
  const known = (capabilities: RTCRtpCapabilities | null): string[] =>
    served.filter((codec) =>
      capabilities?.codecs.some(
        ({ mimeType }) => mimeType.toLowerCase() === `video/${codec.toLowerCase()}`,
      ),
    );
  if (typeof RTCRtpSender === "undefined" || RTCRtpSender.getCapabilities === undefined) {
    return idle("This browser does not say which codecs it has.");
  }
  const sent = known(RTCRtpSender.getCapabilities("video"));
  const shown = known(RTCRtpReceiver.getCapabilities("video"));
  const both = sent.filter((codec) => shown.includes(codec));
  if (both.length > 0) {
    return good(`${both.map(codecName).join(" and ")}, in this browser as on the server.`);
  }
  return bad(
    `This browser has neither ${served.map(codecName).join(" nor ")}. A current Firefox, Chrome, Edge or Safari has both.`,
  );
}
