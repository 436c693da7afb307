import { describe, expect, it } from "vitest";
import { parseControl, parseStats, parseTelemetry } from "../src/messages";

const RECEIPT = {
  v: 1,
  type: "receipt",
  instruction_id: "i1",
  text: "turn it into a pencil sketch",
  frame_index: 812,
  rtp_timestamp: 4_294_967_000,
  frames_waited: 2,
  elapsed_ms: 61.5,
};

describe("control messages", () => {
  it("reads an acknowledged instruction", () => {
    const raw = JSON.stringify({
      v: 1,
      id: "c1",
      type: "ack",
      instruction_id: "i1",
      family: "pencil_sketch",
      known: true,
      confidence: 0.93,
      nearest: ["draw it in pencil", 7],
    });
    expect(parseControl(raw)).toEqual({
      type: "ack",
      id: "c1",
      instruction_id: "i1",
      family: "pencil_sketch",
      known: true,
      confidence: 0.93,
      nearest: ["draw it in pencil"],
    });
  });

  it("reads an acknowledgement of anything else with nulls", () => {
    expect(parseControl('{"v":1,"id":"c2","type":"ack"}')).toMatchObject({
      instruction_id: null,
      known: null,
      nearest: [],
    });
  });

  it("reads a receipt", () => {
    expect(parseControl(JSON.stringify(RECEIPT))).toMatchObject({
      frame_index: 812,
      elapsed_ms: 61.5,
    });
  });

  it("keeps an error without an id", () => {
    const raw = '{"v":1,"id":null,"type":"error","code":"bad_json","detail":"not JSON"}';
    expect(parseControl(raw)).toEqual({
      type: "error",
      id: null,
      code: "bad_json",
      detail: "not JSON",
    });
  });

  it("drops what makes no sense", () => {
    for (const raw of [
      "not json",
      "[]",
      "null",
      "7",
      "{}",
      '{"type":"state","state":"dancing"}',
      '{"type":"receipt"}',
      '{"type":"ack"}',
      new ArrayBuffer(4),
    ]) {
      expect(parseControl(raw)).toBeNull();
    }
  });
});

describe("telemetry messages", () => {
  it("says null for what was not measured, never 0", () => {
    const stats = parseStats({ frames: { in: 3 }, stages_ms: { edit: { p50: 20, p95: 25 } } });
    expect(stats?.frames).toEqual({
      in: 3,
      edited: null,
      passed: null,
      repeated: null,
      dropped: {},
    });
    expect(stats?.stages_ms.edit).toEqual({ p50: 20, p95: 25 });
    expect(stats?.stages_ms.uplink).toBeNull();
    expect(stats?.memory.process_bytes).toBeNull();
    expect(stats?.drift).toBeNull();
  });

  it("keeps what became of every frame, and which version of the model runs", () => {
    const frames = { in: 9, edited: 5, passed: 3, repeated: 1, dropped: { inbox: 2 } };
    const stats = parseStats({ frames, model: "rfdm-tiny", version: "1" });
    expect(stats?.frames).toEqual(frames);
    expect([stats?.model, stats?.version]).toEqual(["rfdm-tiny", "1"]);
  });

  it("does not take other types for numbers", () => {
    const stats = parseStats({ fps: { in: "30", out: true }, server_ms: { p50: 3, p95: null } });
    expect(stats?.fps).toEqual({ in: null, out: null });
    expect(stats?.server_ms).toBeNull();
  });

  it("reads frame origins and leaves out broken ones", () => {
    const raw = JSON.stringify({
      v: 1,
      type: "frames",
      frames: [
        { out_rtp: 9000, in_rtp: 3000, capture_ms: 1_700_000_000_000.5 },
        { out_rtp: 12_000, in_rtp: 6000, capture_ms: null },
        { in_rtp: 1 },
        null,
      ],
    });
    expect(parseTelemetry(raw)).toEqual({
      type: "frames",
      frames: [
        { out_rtp: 9000, in_rtp: 3000, capture_ms: 1_700_000_000_000.5 },
        { out_rtp: 12_000, in_rtp: 6000, capture_ms: null },
      ],
    });
  });
});

describe("the stack and recordings", () => {
  it("reads the layers in their order and leaves out what is none", () => {
    const layers = [
      { instruction_id: "a", text: "make it night", strength: 0.5, enabled: false, more: 1 },
      { text: "of no id" },
      "none",
    ];
    const said = { v: 1, type: "edits", layers, can_undo: true, can_redo: "yes", bypassed: true };
    expect(parseControl(JSON.stringify(said))).toEqual({
      type: "edits",
      layers: [{ instruction_id: "a", text: "make it night", strength: 0.5, enabled: false }],
      can_undo: true,
      can_redo: false,
      bypassed: true,
      frozen: false,
    });
  });

  it("reads a recording", () => {
    const recording = {
      id: "r",
      state: "ended",
      reason: "stopped",
      duration_s: 2.5,
      files: ["edited.mp4"],
    };
    const said = JSON.stringify({ v: 1, type: "recording", recording });
    expect(parseControl(said)).toEqual({ type: "recording", ...recording });
    expect(parseControl(JSON.stringify({ v: 1, type: "recording", recording: {} }))).toBeNull();
  });
});
