import type { Percentiles } from "../messages/stats";

/**
 * The value below which `share` of `sorted` lies, interpolated linearly between neighbours (numpy's default).
 *
 * @param sorted ascending, not empty
 * @param share 0..1
 */
export function percentile(sorted: readonly number[], share: number): number {
  const position = (sorted.length - 1) * share;
  const below = Math.floor(position);
  const low = sorted[below];
  if (low === undefined) throw new RangeError("percentile of nothing");
  const high = sorted[below + 1] ?? low;
  return low + (high - low) * (position - below);
}

/** The last few seconds of a measurement. Older samples leave by themselves, so a past hiccup does not stay. */
export class RecentSamples {
  private readonly samples: { readonly at: number; readonly value: number }[] = [];

  /**
   * @param windowMs how long a sample counts
   * @param limit the most samples kept, whatever the window
   */
  constructor(
    private readonly windowMs: number,
    private readonly limit = 1000,
  ) {}

  add(value: number, nowMs: number): void {
    this.samples.push({ at: nowMs, value });
    if (this.samples.length > this.limit) this.samples.shift();
    this.forget(nowMs);
  }

  /** Null while nothing was measured within the window. */
  percentiles(nowMs: number): Percentiles | null {
    this.forget(nowMs);
    if (this.samples.length === 0) return null;
    const sorted = this.samples.map((sample) => sample.value).sort((a, b) => a - b);
    return { p50: percentile(sorted, 0.5), p95: percentile(sorted, 0.95) };
  }

  count(nowMs: number): number {
    this.forget(nowMs);
    return this.samples.length;
  }

  private forget(nowMs: number): void {
    const first = this.samples.findIndex((sample) => sample.at > nowMs - this.windowMs);
    this.samples.splice(0, first === -1 ? this.samples.length : first);
  }
}
