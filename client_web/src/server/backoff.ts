/** How long to wait before the next attempt: doubling, bounded, spread so that many pages do not return at once. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly firstMs = 500,
    private readonly longestMs = 10_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** Attempts that failed in a row. */
  get attempts(): number {
    return this.failures;
  }

  /**
   * @param atLeastMs what the server asked for (Retry-After), 0 if nothing
   * @returns milliseconds, between 75 and 100 percent of the doubled delay
   */
  next(atLeastMs = 0): number {
    const doubled = Math.min(this.firstMs * 2 ** this.failures, this.longestMs);
    this.failures += 1;
    return Math.max(atLeastMs, doubled * (0.75 + 0.25 * this.random()));
  }

  reset(): void {
    this.failures = 0;
  }
}
