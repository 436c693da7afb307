import { afterEach, expect, it, vi } from "vitest";
import { turnFinding, udpFinding } from "../../src/check/check";
import { probe } from "../../src/check/probe";
import type { Network } from "../../src/server/api";

const NETWORK: Network = { iceServers: [], udpPorts: null, codecs: [] };

function tried(): ReturnType<typeof probe> {
  return probe(async () => "v=0", [{ urls: "turn:" }], "all", new AbortController().signal);
}

afterEach(() => {
  vi.unstubAllGlobals();
});

it("says what a browser does not take of what the server names", async () => {
  vi.stubGlobal(
    "RTCPeerConnection",
    class {
      constructor() {
        throw new DOMException("'turn:' is not a valid URL.", "SyntaxError");
      }
    },
  );
  const outcome = await tried();
  const finding = {
    state: "bad",
    words: "This browser cannot try it: 'turn:' is not a valid URL.",
  };
  expect(udpFinding(outcome, NETWORK)).toEqual(finding);
  expect(turnFinding(outcome)).toEqual(finding);
});

it("says that a browser has no WebRTC", async () => {
  vi.stubGlobal("RTCPeerConnection", undefined);
  expect(udpFinding(await tried(), NETWORK).words).toContain("no WebRTC");
});
