/** What the server tells of a session in numbers, on `telemetry` and by REST; `null` where it was not measured. */

import { fields, finite, listed, text } from "./json";

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
}

export const STAGES = ["uplink", "decode", "wait", "edit", "detail", "encode", "downlink"] as const;
export type Stage = (typeof STAGES)[number];

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
    readonly in: Size | null;
    readonly edit: Size | null;
    readonly shown: Size | null;
  };
  /** A compilation behind the frames; null where there is none. */
  readonly build: Build | null;
  readonly codecs: {
    /** FFmpeg's name; null before the first picture. */
    readonly decoder: string | null;
    readonly encoders: readonly Encoder[];
  };
  readonly uptime_s: number | null;
}

export interface Build {
  readonly compiler: string;
  readonly size: Size | null;
  readonly phase: string;
  /** Share that is done, 0 to 1. */
  readonly progress: number;
  readonly elapsed_s: number | null;
  /** An estimate; null where nothing tells yet. */
  readonly remaining_s: number | null;
  /** Why it failed; what stands in then goes on. */
  readonly failure: string | null;
}

interface Encoder {
  readonly codec: string;
  /** FFmpeg's, as libx264 or h264_nvenc. */
  readonly name: string;
  /** What it is told to keep to. */
  readonly bitrate_bps: number | null;
}

/** Width and height. */
type Size = readonly [number, number];

function percentiles(value: unknown): Percentiles | null {
  const p50 = finite(fields(value)?.["p50"]);
  const p95 = finite(fields(value)?.["p95"]);
  return p50 === null || p95 === null ? null : { p50, p95 };
}

function size(value: unknown): Size | null {
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

function parseBuild(value: unknown): Build | null {
  const build = fields(value);
  const compiler = text(build?.["compiler"]);
  if (build === null || compiler === null) return null;
  return {
    compiler,
    size: size(build["size"]),
    phase: text(build["phase"]) ?? "building",
    progress: Math.min(Math.max(finite(build["progress"]) ?? 0, 0), 1),
    elapsed_s: finite(build["elapsed_s"]),
    remaining_s: finite(build["remaining_s"]),
    failure: text(build["failure"]),
  };
}

function parseEncoder(value: unknown): Encoder | null {
  const encoder = fields(value);
  const [codec, name] = [text(encoder?.["codec"]), text(encoder?.["name"])];
  if (codec === null || name === null) return null;
  return { codec, name, bitrate_bps: finite(encoder?.["bitrate_bps"]) };
}

export function parseStats(value: unknown): Stats | null {
  const stats = fields(value);
  if (stats === null) return null;
  const frames = fields(stats["frames"]) ?? {};
  const fps = fields(stats["fps"]) ?? {};
  const stages = fields(stats["stages_ms"]) ?? {};
  const memory = fields(stats["memory"]) ?? {};
  const sizes = fields(stats["size"]) ?? {};
  const codecs = fields(stats["codecs"]) ?? {};
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
    build: parseBuild(stats["build"]),
    codecs: {
      decoder: text(codecs["decoder"]),
      encoders: listed(codecs["encoders"], parseEncoder),
    },
    uptime_s: finite(stats["uptime_s"]),
  };
}
