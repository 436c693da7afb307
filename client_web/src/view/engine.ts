import type { Build, Stats } from "../messages/stats";
import { byId, write } from "./dom";
import { capital, duration, joined, size } from "./format";

/** How long a change of the compiler is told of. */
const TOLD_MS = 60_000;

/** What edits the frames: model, compiler, precision, device; the build behind them, and when it took over. */
export class EngineView {
  private readonly build = byId("build", HTMLDivElement);
  private readonly progress = byId("build-progress", HTMLProgressElement);
  private ran: string | null = null;
  private swap: { readonly from: string; readonly to: string; readonly atMs: number } | null = null;

  /** @param nowMs performance.now() */
  show(stats: Stats | null, nowMs: number): void {
    const steps = stats?.steps ?? null;
    const stepWords = steps === null ? null : `${steps} ${steps === 1 ? "step" : "steps"}`;
    write(byId("model", HTMLElement), joined([stats?.model, stepWords]));
    const runs = [stats?.compiler, stats?.precision, stats?.device];
    write(byId("runs-on", HTMLElement), joined(runs));
    this.notice(stats?.compiler ?? null, nowMs);
    this.showBuild(stats?.build ?? null, stats?.compiler ?? null);
    const note = byId("swap", HTMLParagraphElement);
    note.hidden = this.swap === null;
    if (this.swap !== null) write(note, swapWords(this.swap, nowMs));
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
    this.progress.value = build.progress;
  }
}

export function buildTitle({ compiler, size: shape, progress, failure }: Build): string {
  const made = shape === null ? compiler : `${compiler} for ${size(shape)}`;
  if (failure !== null) return `${made} could not be built`;
  return `Building ${made} · ${Math.floor(100 * progress)} %`;
}

/** @param runs the compiler that edits meanwhile */
export function buildWords(build: Build, runs: string | null): string {
  if (build.failure !== null) {
    return `${capital(build.failure)}.${runs === null ? "" : ` ${runs} goes on editing.`}`;
  }
  const left = build.remaining_s === null ? "" : `, about ${duration(build.remaining_s)} left`;
  return `${capital(build.phase)}${left}.${runs === null ? "" : ` ${runs} edits meanwhile.`}`;
}

function swapWords(
  { from, to, atMs }: { readonly from: string; readonly to: string; readonly atMs: number },
  nowMs: number,
): string {
  return `${to} took over from ${from} ${duration((nowMs - atMs) / 1000)} ago`;
}
