import type { FrameOrigin } from "../messages/telemetry";

/** RTP timestamps are 32 bits wide and start anywhere (RFC 3550, 5.1), so they are compared on a circle. */
const HALF_CIRCLE = 0x8000_0000;

/** Whether `a` is `b` or comes after it, the shorter way round. */
export function atOrAfter(a: number, b: number): boolean {
  return (a - b) >>> 0 < HALF_CIRCLE;
}

/** A frame the browser put on the screen. */
export interface ShownFrame {
  readonly rtp: number;
  /** When it is to be seen, Unix milliseconds. */
  readonly shownAtMs: number;
}

/**
 * Pairs frames that were shown with the moment they were captured.
 *
 * The two arrive on different ways (the picture by RTP, its origin by the telemetry channel, which may lose or reorder),
 * so whichever comes first waits for the other, and at most `limit` of each wait.
 */
export class FrameMatcher {
  private readonly captures = new Map<number, number>();
  private readonly shown = new Map<number, number>();

  constructor(private readonly limit = 256) {}

  /** Glass-to-glass time in milliseconds, or null if the capture time is not (yet) known. */
  show(frame: ShownFrame): number | null {
    const rtp = frame.rtp >>> 0;
    const capturedAt = this.captures.get(rtp);
    if (capturedAt === undefined) {
      this.keep(this.shown, rtp, frame.shownAtMs);
      return null;
    }
    this.captures.delete(rtp);
    return frame.shownAtMs - capturedAt;
  }

  /** Glass-to-glass times, in milliseconds, of those frames that were shown before their origin was known. */
  originate(frames: readonly FrameOrigin[]): number[] {
    const latencies: number[] = [];
    for (const frame of frames) {
      if (frame.capture_ms === null) continue;
      const rtp = frame.out_rtp >>> 0;
      const shownAt = this.shown.get(rtp);
      if (shownAt === undefined) {
        this.keep(this.captures, rtp, frame.capture_ms);
        continue;
      }
      this.shown.delete(rtp);
      latencies.push(shownAt - frame.capture_ms);
    }
    return latencies;
  }

  private keep(waiting: Map<number, number>, rtp: number, ms: number): void {
    waiting.set(rtp, ms);
    // A Map iterates in insertion order: the first key has waited longest.
    for (const oldest of waiting.keys()) {
      if (waiting.size <= this.limit) break;
      waiting.delete(oldest);
    }
  }
}
