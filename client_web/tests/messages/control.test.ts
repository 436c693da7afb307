import { describe, expect, it } from "vitest";
import { parseControl } from "../../src/messages/control";

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
      edits: ["pencil_sketch"],
      known: true,
      confidence: 0.93,
      nearest: ["draw it in pencil", 7],
    });
    expect(parseControl(raw)).toEqual({
      type: "ack",
      id: "c1",
      instruction_id: "i1",
      family: "pencil_sketch",
      edits: ["pencil_sketch"],
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
    const raw =
      '{"v":1,"id":"c1","type":"error","code":"unknown_instruction","detail":"no","nearest":["a"]}';
    expect(parseControl(raw)).toEqual({
      type: "error",
      id: "c1",
      code: "unknown_instruction",
      detail: "no",
      nearest: ["a"],
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
