import type { Build, Stats } from "../messages/stats";
import { byId, write } from "./dom";
import { capital, duration, joined, size } from "./format";

/** How long a change of the compiler is told of. */
const TOLD_MS = 60_000;

/** One compiler took over from another. */
interface Swap {
  readonly from: string;
  readonly to: string;
  readonly atMs: number;
}

/** What edits the frames: model, compiler, precision, device; the build behind them, and when it took over. */
export class EngineView {
  private readonly build = byId("build", HTMLDivElement);
  private readonly progress = byId("build-progress", HTMLProgressElement);
  private ran: string | null = null;
  private swap: Swap | null = null;

  /** @param nowMs performance.now() */
  show(stats: Stats | null, nowMs: number): void {
    const steps = stats?.steps ?? null;
    const stepWords = steps === null ? null : `${steps} ${steps === 1 ? "step" : "steps"}`;
    write(byId("model", HTMLElement), joined([stats?.model, stepWords]));
    const runs = [stats?.compiler, stats?.precision, stats?.device];
    write(byId("runs-on", HTMLElement), joined(runs));
    // Until a frame is edited the compiler is the one that is meant to run.
    const ran = (stats?.frames.edited ?? 0) > 0 ? (stats?.compiler ?? null) : null;
    this.notice(ran, nowMs);
    this.showBuild(stats?.build ?? null, ran);
    byId("swap", HTMLParagraphElement).hidden = this.swap === null;
    // Each second's count would be read out, were it with the words.
    write(byId("swap-words", HTMLSpanElement), this.swap === null ? "" : swapWords(this.swap));
    write(byId("swap-age", HTMLSpanElement), this.swap === null ? "" : ageWords(this.swap, nowMs));
  }

  clear(): void {
    this.ran = null;
    this.swap = null;
  }

  private notice(runs: string | null, nowMs: number): void {
    if (runs !== null && this.ran !== null && runs !== this.ran) {
      this.swap = { from: this.ran, to: runs, atMs: nowMs };
    }
    this.ran = runs ?? this.ran;
    if (this.swap !== null && nowMs - this.swap.atMs > TOLD_MS) this.swap = null;
  }

  private showBuild(build: Build | null, runs: string | null): void {
    this.build.hidden = build === null;
    if (build === null) return;
    this.build.dataset["state"] = build.failure === null ? "building" : "failed";
    write(byId("build-words", HTMLElement), buildTitle(build));
    write(byId("build-note", HTMLElement), buildWords(build, runs));
    this.progress.hidden = build.failure !== null;
    const share = buildShare(build);
    if (share === null) this.progress.removeAttribute("value");
    else this.progress.value = share;
  }
}

/** How much of a build is done: as it tells, or else by the time it should take; null if nobody knows. */
export function buildShare(build: Build): number | null {
  const { progress, elapsed_s: elapsed, remaining_s: remaining } = build;
  if (progress > 0) return progress;
  return elapsed === null || remaining === null ? null : elapsed / Math.max(elapsed + remaining, 1);
}

export function buildTitle(build: Build): string {
  const { compiler, size: shape, failure } = build;
  const made = shape === null ? compiler : `${compiler} for ${size(shape)}`;
  if (failure !== null) return `${made} could not be built`;
  const share = buildShare(build);
  return share === null ? `Building ${made}` : `Building ${made} · ${Math.floor(100 * share)} %`;
}

/** @param runs the compiler that edits meanwhile */
export function buildWords(build: Build, runs: string | null): string {
  if (build.failure !== null) {
    return `${capital(build.failure)}.${runs === null ? "" : ` ${runs} goes on editing.`}`;
  }
  return `${capital(build.phase)}${timeWords(build)}.${runs === null ? "" : ` ${runs} edits meanwhile.`}`;
}

function timeWords({ elapsed_s: elapsed, remaining_s: remaining }: Build): string {
  if (remaining !== null) {
    return remaining < 1 ? ", about to be ready" : `, about ${duration(remaining)} left`;
  }
  return elapsed === null || elapsed < 1 ? "" : `, for ${duration(elapsed)} now`;
}

function swapWords({ from, to }: Swap): string {
  return `${to} took over from ${from}`;
}

function ageWords({ atMs }: Swap, nowMs: number): string {
  return ` ${duration((nowMs - atMs) / 1000)} ago`;
}
