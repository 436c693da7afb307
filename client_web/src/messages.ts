/**
 * What travels on the two data channels, and the stats object they share with REST.
 *
 * Everything that comes in is checked here, once: a field that is missing or of another type becomes `null`
 * ("not measured"), a message that makes no sense becomes `null` as a whole. Nothing further in looks at raw JSON.
 */

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
}

export const STAGES = ["uplink", "decode", "wait", "edit", "detail", "encode", "downlink"] as const;
export type Stage = (typeof STAGES)[number];

export const SESSION_STATES = [
  "new",
  "connecting",
  "live",
  "frozen",
  "degraded",
  "closed",
] as const;
export type SessionState = (typeof SESSION_STATES)[number];

export interface Stats {
  readonly frames: {
    readonly in: number | null;
    readonly edited: number | null;
    /** Let through untouched. */
    readonly passed: number | null;
    readonly repeated: number | null;
    readonly dropped: Readonly<Record<string, number>>;
  };
  readonly fps: { readonly in: number | null; readonly out: number | null };
  readonly stages_ms: Readonly<Record<Stage, Percentiles | null>>;
  readonly server_ms: Percentiles | null;
  readonly memory: {
    readonly process_bytes: number | null;
    readonly device_allocated_bytes: number | null;
    readonly device_reserved_bytes: number | null;
    readonly device_peak_bytes: number | null;
    readonly device_free_bytes: number | null;
  };
  readonly model: string | null;
  readonly version: string | null;
  readonly compiler: string | null;
  readonly precision: string | null;
  readonly device: string | null;
  readonly steps: number | null;
  readonly drift: number | null;
  readonly instruction_apply_ms: number | null;
  readonly size: {
    readonly in: readonly [number, number] | null;
    readonly edit: readonly [number, number] | null;
    readonly shown: readonly [number, number] | null;
  };
  readonly uptime_s: number | null;
}

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
  /** The four below answer an instruction; null for other acknowledgements. */
  readonly instruction_id: string | null;
  readonly family: string | null;
  readonly known: boolean | null;
  readonly confidence: number | null;
  readonly nearest: readonly string[];
}

export interface Refusal {
  readonly type: "error";
  readonly id: string | null;
  readonly code: string;
  readonly detail: string;
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

/** An instruction on the stack. */
export interface Layer {
  readonly instruction_id: string;
  readonly text: string;
  readonly strength: number;
  readonly enabled: boolean;
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

/** Ties an edited frame to the camera frame it was made from. */
export interface FrameOrigin {
  /** What the browser reports as `rtpTimestamp` when it shows the frame. */
  readonly out_rtp: number;
  readonly in_rtp: number | null;
  /** Unix milliseconds on this machine's own clock; null before the first RTCP sender report. */
  readonly capture_ms: number | null;
}

export type TelemetryMessage =
  | { readonly type: "stats"; readonly stats: Stats }
  | { readonly type: "frames"; readonly frames: readonly FrameOrigin[] };

/** Client to server, on `telemetry`: what only the browser can measure. */
export interface ClientReport {
  readonly v: 1;
  readonly type: "client";
  readonly glass_to_glass_ms: Percentiles | null;
  readonly downlink_ms: Percentiles | null;
  readonly displayed_fps: number | null;
}

type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown): Fields | null {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : null;
}

export function finite(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function text(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

export function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

function percentiles(value: unknown): Percentiles | null {
  const p50 = finite(fields(value)?.["p50"]);
  const p95 = finite(fields(value)?.["p95"]);
  return p50 === null || p95 === null ? null : { p50, p95 };
}

function size(value: unknown): readonly [number, number] | null {
  if (!Array.isArray(value)) return null;
  const [width, height] = [finite(value[0]), finite(value[1])];
  return width === null || height === null ? null : [width, height];
}

function counts(value: unknown): Record<string, number> {
  const counted: Record<string, number> = {};
  for (const [reason, count] of Object.entries(fields(value) ?? {})) {
    const number = finite(count);
    if (number !== null) counted[reason] = number;
  }
  return counted;
}

export function parseStats(value: unknown): Stats | null {
  const stats = fields(value);
  if (stats === null) return null;
  const frames = fields(stats["frames"]) ?? {};
  const fps = fields(stats["fps"]) ?? {};
  const stages = fields(stats["stages_ms"]) ?? {};
  const memory = fields(stats["memory"]) ?? {};
  const sizes = fields(stats["size"]) ?? {};
  return {
    frames: {
      in: finite(frames["in"]),
      edited: finite(frames["edited"]),
      passed: finite(frames["passed"]),
      repeated: finite(frames["repeated"]),
      dropped: counts(frames["dropped"]),
    },
    fps: { in: finite(fps["in"]), out: finite(fps["out"]) },
    stages_ms: Object.fromEntries(
      STAGES.map((stage) => [stage, percentiles(stages[stage])]),
    ) as Record<Stage, Percentiles | null>,
    server_ms: percentiles(stats["server_ms"]),
    memory: {
      process_bytes: finite(memory["process_bytes"]),
      device_allocated_bytes: finite(memory["device_allocated_bytes"]),
      device_reserved_bytes: finite(memory["device_reserved_bytes"] ?? memory["reserved"]),
      device_peak_bytes: finite(memory["device_peak_bytes"] ?? memory["peak"]),
      device_free_bytes: finite(memory["device_free_bytes"] ?? memory["free"]),
    },
    model: text(stats["model"]),
    version: text(stats["version"]),
    compiler: text(stats["compiler"]),
    precision: text(stats["precision"]),
    device: text(stats["device"]),
    steps: finite(stats["steps"]),
    drift: finite(stats["drift"]),
    instruction_apply_ms: finite(stats["instruction_apply_ms"]),
    size: { in: size(sizes["in"]), edit: size(sizes["edit"]), shown: size(sizes["shown"]) },
    uptime_s: finite(stats["uptime_s"]),
  };
}

function parseJson(raw: unknown): Fields | null {
  if (typeof raw !== "string") return null;
  try {
    return fields(JSON.parse(raw));
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function parseEdits(edits: Fields): Edits {
  const layers: Layer[] = [];
  for (const item of Array.isArray(edits["layers"]) ? edits["layers"] : []) {
    const layer = fields(item);
    const instructionId = text(layer?.["instruction_id"]);
    if (layer === null || instructionId === null) continue;
    layers.push({
      instruction_id: instructionId,
      text: text(layer["text"]) ?? "",
      strength: finite(layer["strength"]) ?? 1,
      enabled: layer["enabled"] !== false,
    });
  }
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

/** A message from the server on `control`, or null for one this page does not know. */
export function parseControl(raw: unknown): ControlMessage | null {
  const message = parseJson(raw);
  switch (message?.["type"]) {
    case "ack": {
      const id = text(message["id"]);
      if (id === null) return null;
      return {
        type: "ack",
        id,
        instruction_id: text(message["instruction_id"]),
        family: text(message["family"]),
        known: typeof message["known"] === "boolean" ? message["known"] : null,
        confidence: finite(message["confidence"]),
        nearest: texts(message["nearest"]),
      };
    }
    case "error":
      return {
        type: "error",
        id: text(message["id"]),
        code: text(message["code"]) ?? "unknown",
        detail: text(message["detail"]) ?? "",
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

/** A message from the server on `telemetry`, or null for one this page does not know. */
export function parseTelemetry(raw: unknown): TelemetryMessage | null {
  const message = parseJson(raw);
  switch (message?.["type"]) {
    case "stats": {
      const stats = parseStats(message);
      return stats === null ? null : { type: "stats", stats };
    }
    case "frames": {
      if (!Array.isArray(message["frames"])) return null;
      const origins: FrameOrigin[] = [];
      for (const item of message["frames"]) {
        const frame = fields(item);
        const outRtp = finite(frame?.["out_rtp"]);
        if (frame === null || outRtp === null) continue;
        origins.push({
          out_rtp: outRtp,
          in_rtp: finite(frame["in_rtp"]),
          capture_ms: finite(frame["capture_ms"]),
        });
      }
      return { type: "frames", frames: origins };
    }
    default:
      return null;
  }
}
