import { expect, it } from "vitest";
import { turnFinding, udpFinding } from "../../src/check/check";
import { iceServersOf, parseIceServers, relays } from "../../src/rtc/ice";
import type { Network } from "../../src/server/api";
import { summaryWords } from "../../src/view/check";

it("takes servers from JSON and leaves out what is none", () => {
  expect(
    parseIceServers([
      { urls: ["stun:a"], username: null, credential: null },
      { urls: ["turn:b", "turn:b?transport=tcp"], username: "1:u", credential: "c" },
      { urls: [] },
      "turn:c",
    ]),
  ).toEqual([
    { urls: ["stun:a"] },
    { urls: ["turn:b", "turn:b?transport=tcp"], username: "1:u", credential: "c" },
  ]);
  expect(parseIceServers(null)).toEqual([]);
});

it("takes servers from Link headers, quotes and commas in their values included", () => {
  const header =
    '<stun:a>; rel="ice-server", ' +
    '<turn:b?transport=udp>; rel="ice-server"; username="say \\"u\\", v"; credential="c\\\\"; credential-type="password", ' +
    '</v1/sessions/x>; rel="related"';
  expect(iceServersOf(header)).toEqual([
    { urls: ["stun:a"] },
    { urls: ["turn:b?transport=udp"], username: 'say "u", v', credential: "c\\" },
  ]);
  expect(iceServersOf(null)).toEqual([]);
});

it("tells a relay from what only tells addresses", () => {
  expect(relays({ urls: "turns:a" })).toBe(true);
  expect(relays({ urls: ["stun:a"] })).toBe(false);
});

const network: Network = { iceServers: [], udpPorts: "50000-50100", codecs: [] };

it("names the ports to open where nothing gets through", () => {
  expect(udpFinding({ kind: "blocked" }, network).words).toContain("50000-50100");
  expect(udpFinding({ kind: "blocked" }, { ...network, udpPorts: null }).words).toContain(
    "all UDP",
  );
  expect(udpFinding({ kind: "through", roundTripMs: 3 }, network)).toMatchObject({ state: "good" });
});

it("tells a wrong credential from a server that is not there and from one that may not relay", () => {
  const words = [
    turnFinding({ kind: "no-relay", errorCode: 401 }),
    turnFinding({ kind: "no-relay", errorCode: 701 }),
    turnFinding({ kind: "blocked" }),
  ].map((finding) => finding.words);
  expect(words[0]).toContain("refuses the credential");
  expect(words[1]).toContain("does not answer");
  expect(words[2]).toContain("denied-peer-ip");
  expect(turnFinding({ kind: "refused", detail: "full" })).toMatchObject({ state: "idle" });
});

it("sums up what is bad", () => {
  expect(summaryWords(new Set())).toContain("Everything");
  expect(summaryWords(new Set(["camera"]))).toContain("demo clip");
  expect(summaryWords(new Set(["udp"]))).toContain("relay takes its place");
  expect(summaryWords(new Set(["turn", "udp"]))).toBe("This needs a fix: UDP, TURN.");
});
