/** A pause before the next attempt, which can be cut short. */
export class Pause {
  /** performance.now() of its end; null while there is none, and where it only ends by `cut`. */
  until: number | null = null;
  private over: (() => void) | null = null;

  /** @param ms null for one that only ends by `cut` */
  async take(ms: number | null): Promise<void> {
    this.until = ms === null ? null : performance.now() + ms;
    await new Promise<void>((resolve) => {
      const timer = ms === null ? undefined : setTimeout(resolve, ms);
      this.over = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.over = null;
    this.until = null;
  }

  cut(): void {
    this.over?.();
  }
}
