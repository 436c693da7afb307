import { describe, expect, it } from "vitest";
import { TrafficMeter } from "../../src/rtc/traffic";

const CODEC = { type: "codec", mimeType: "video/H264" };
const PAIR = {
  type: "candidate-pair",
  nominated: true,
  state: "succeeded",
  localCandidateId: "L",
  remoteCandidateId: "R",
  currentRoundTripTime: 0.012,
};
const HOST = { type: "local-candidate", candidateType: "host", protocol: "udp" };
const RELAY = {
  type: "local-candidate",
  candidateType: "relay",
  protocol: "udp",
  relayProtocol: "tls",
};
const REMOTE = { type: "remote-candidate", candidateType: "host", protocol: "udp" };

function outbound(timestamp: number, bytesSent: number): [string, object] {
  return ["out", { type: "outbound-rtp", kind: "video", codecId: "C", timestamp, bytesSent }];
}

describe("the way packets go", () => {
  it("is direct between two hosts", () => {
    const { path } = new TrafficMeter().read(
      Object.entries({ P: PAIR, L: HOST, R: REMOTE, X: { ...PAIR, nominated: false } }),
    );
    expect(path).toEqual({ relayed: false, protocol: "UDP", roundTripMs: 12 });
  });

  it("is relayed by either side's relay, with the protocol to it", () => {
    const read = (entries: object) => new TrafficMeter().read(Object.entries(entries)).path;
    expect(read({ P: PAIR, L: RELAY, R: REMOTE })).toMatchObject({
      relayed: true,
      protocol: "TLS",
    });
    expect(read({ P: PAIR, L: HOST, R: { ...REMOTE, candidateType: "relay" } })).toMatchObject({
      relayed: true,
      protocol: "UDP",
    });
  });

  it("is not known before there is one, nor what a browser leaves out", () => {
    expect(new TrafficMeter().read([]).path).toBeNull();
    const bare = { type: "candidate-pair", nominated: true, state: "succeeded" };
    expect(new TrafficMeter().read([["P", bare]]).path).toEqual({
      relayed: false,
      protocol: null,
      roundTripMs: null,
    });
  });
});

describe("bit rates", () => {
  it("are what went on between two readings, with the codec's name", () => {
    const meter = new TrafficMeter();
    const codec: [string, object] = ["C", CODEC];
    expect(meter.read([codec, outbound(1000, 0)]).up).toEqual({
      codec: "H264",
      bitsPerSecond: null,
    });
    expect(meter.read([codec, outbound(3000, 500_000)]).up.bitsPerSecond).toBe(2_000_000);
    expect(meter.read([codec, outbound(3000, 500_000)]).down).toEqual({
      codec: null,
      bitsPerSecond: null,
    });
  });

  it("forget what was long ago, and begin anew with another stream", () => {
    const meter = new TrafficMeter();
    for (const second of [0, 1, 2, 3, 4]) meter.read([outbound(1000 * second, 125_000 * second)]);
    for (const second of [5, 6, 7, 8]) meter.read([outbound(1000 * second, 500_000)]);
    expect(meter.read([outbound(9000, 500_000)]).up.bitsPerSecond).toBe(0);
    expect(meter.read([outbound(9500, 0)]).up.bitsPerSecond).toBeNull();
  });
});
