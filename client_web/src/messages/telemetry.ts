/** What travels on the data channel `telemetry`. */

import { fields, finite, parseJson } from "./json";
import { type Percentiles, parseStats, type Stats } from "./stats";

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
