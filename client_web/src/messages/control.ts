/** What travels on the data channel `control`; a message that makes no sense becomes `null` as a whole. */

import { type Fields, fields, finite, listed, parseJson, text, texts } from "./json";

const SESSION_STATES = ["new", "connecting", "live", "frozen", "degraded", "closed"] as const;
export type SessionState = (typeof SESSION_STATES)[number];

/** A new instruction takes the place of all others, or is applied to what they made of the picture. */
export type Place = "alone" | "top";

/** Client to server, on `control`; the channel adds `v` and `id`. */
export type ControlRequest =
  | {
      readonly type: "instruction";
      readonly text: string;
      readonly strength: number;
      readonly place?: Place;
      readonly transition_ms?: number;
    }
  | {
      readonly type: "layer";
      readonly instruction_id: string;
      readonly enabled?: boolean;
      readonly position?: number;
    }
  | { readonly type: "remove"; readonly instruction_id: string }
  | { readonly type: "undo" | "redo" | "clear" | "stop_recording" }
  | { readonly type: "bypass"; readonly bypassed: boolean }
  | { readonly type: "preset"; readonly preset_id: string; readonly transition_ms?: number }
  | { readonly type: "record"; readonly original: boolean }
  | { readonly type: "strength"; readonly value: number }
  | { readonly type: "freeze"; readonly frozen: boolean }
  | { readonly type: "ping"; readonly t: number };

export interface Ack {
  readonly type: "ack";
  readonly id: string;
  /** What is below answers an instruction; null for other acknowledgements. */
  readonly instruction_id: string | null;
  readonly family: string | null;
  /** Families of what is done: where only half is known, of that half. */
  readonly edits: readonly string[];
  readonly known: boolean | null;
  readonly confidence: number | null;
  readonly nearest: readonly string[];
}

interface Refusal {
  readonly type: "error";
  readonly id: string | null;
  readonly code: string;
  readonly detail: string;
  /** Of an unknown instruction: what the model does know. */
  readonly nearest: readonly string[];
}

export interface Receipt {
  readonly type: "receipt";
  readonly instruction_id: string;
  readonly text: string;
  readonly frame_index: number | null;
  readonly rtp_timestamp: number | null;
  readonly frames_waited: number | null;
  readonly elapsed_ms: number | null;
}

export interface Warning {
  readonly type: "warning";
  readonly code: string;
  readonly detail: string;
  readonly nearest: readonly string[];
}

export interface StateChange {
  readonly type: "state";
  readonly state: SessionState;
}

/** An instruction as it is kept. */
export interface KeptLayer {
  readonly text: string;
  readonly strength: number;
  readonly enabled: boolean;
}

/** An instruction on the stack. */
export interface Layer extends KeptLayer {
  readonly instruction_id: string;
}

/** What is asked of the picture; the first layer is applied first. */
export interface Edits {
  readonly type: "edits";
  readonly layers: readonly Layer[];
  readonly can_undo: boolean;
  readonly can_redo: boolean;
  readonly bypassed: boolean;
  readonly frozen: boolean;
}

export interface Recording {
  readonly type: "recording";
  readonly id: string;
  readonly state: "recording" | "ended" | "interrupted";
  readonly reason: string | null;
  readonly duration_s: number | null;
  readonly files: readonly string[];
}

export type ControlMessage = Ack | Refusal | Receipt | Warning | StateChange | Edits | Recording;

function parseLayer(value: unknown): KeptLayer | null {
  const layer = fields(value);
  const said = text(layer?.["text"]);
  if (layer === null || said === null) return null;
  return {
    text: said,
    strength: finite(layer["strength"]) ?? 1,
    enabled: layer["enabled"] !== false,
  };
}

export function parseLayers(value: unknown): KeptLayer[] {
  return listed(value, parseLayer);
}

function parseEdits(edits: Fields): Edits {
  const layers = listed(edits["layers"], (item) => {
    const [layer, id] = [parseLayer(item), text(fields(item)?.["instruction_id"])];
    return layer === null || id === null ? null : { instruction_id: id, ...layer };
  });
  return {
    type: "edits",
    layers,
    can_undo: edits["can_undo"] === true,
    can_redo: edits["can_redo"] === true,
    bypassed: edits["bypassed"] === true,
    frozen: edits["frozen"] === true,
  };
}

function parseRecording(value: unknown): Recording | null {
  const recording = fields(value);
  const id = text(recording?.["id"]);
  const state = text(recording?.["state"]);
  if (recording === null || id === null) return null;
  return {
    type: "recording",
    id,
    state: state === "recording" || state === "interrupted" ? state : "ended",
    reason: text(recording["reason"]),
    duration_s: finite(recording["duration_s"]),
    files: texts(recording["files"]),
  };
}

/** What an instruction was taken for, over whatever it was asked. */
export function parseAck(taken: Fields | null, id: string): Ack {
  const known = taken?.["known"];
  return {
    type: "ack",
    id,
    instruction_id: text(taken?.["instruction_id"]),
    family: text(taken?.["family"]),
    edits: texts(taken?.["edits"]),
    known: typeof known === "boolean" ? known : null,
    confidence: finite(taken?.["confidence"]),
    nearest: texts(taken?.["nearest"]),
  };
}

/** A message from the server on `control`, or null for one this page does not know. */
export function parseControl(raw: unknown): ControlMessage | null {
  const message = parseJson(raw);
  switch (message?.["type"]) {
    case "ack": {
      const id = text(message["id"]);
      return id === null ? null : parseAck(message, id);
    }
    case "error":
      return {
        type: "error",
        id: text(message["id"]),
        code: text(message["code"]) ?? "unknown",
        detail: text(message["detail"]) ?? "",
        nearest: texts(message["nearest"]),
      };
    case "receipt": {
      const instructionId = text(message["instruction_id"]);
      if (instructionId === null) return null;
      return {
        type: "receipt",
        instruction_id: instructionId,
        text: text(message["text"]) ?? "",
        frame_index: finite(message["frame_index"]),
        rtp_timestamp: finite(message["rtp_timestamp"]),
        frames_waited: finite(message["frames_waited"]),
        elapsed_ms: finite(message["elapsed_ms"]),
      };
    }
    case "warning":
      return {
        type: "warning",
        code: text(message["code"]) ?? "unknown",
        detail: text(message["detail"]) ?? "",
        nearest: texts(message["nearest"]),
      };
    case "state": {
      const state = SESSION_STATES.find((known) => known === message["state"]);
      return state === undefined ? null : { type: "state", state };
    }
    case "edits":
      return parseEdits(message);
    case "recording":
      return parseRecording(message["recording"]);
    default:
      return null;
  }
}
