import type { Stats } from "../messages/stats";
import type { Measured } from "../rtc/statistics";
import { Sparkline, StageBars } from "./charts";
import { byId, write } from "./dom";
import { EngineView } from "./engine";
import {
  bytes,
  count,
  drops,
  milliseconds,
  pair,
  rate,
  size,
  UNMEASURED,
  withUnit,
} from "./format";
import { showTraffic } from "./traffic";

/** How often the charts move on, whatever arrives in between. */
const TICK_MS = 500;

/** The panel "Right now" and the overlay on the video. */
export class TelemetryView {
  private readonly glass = new Sparkline(byId("spark-g2g", SVGSVGElement), 2, 100);
  private readonly fps = new Sparkline(byId("spark-fps", SVGSVGElement), 2, 35);
  private readonly memory = new Sparkline(byId("spark-memory", SVGSVGElement), 1, 1);
  private readonly stages = new StageBars();
  private readonly engine = new EngineView();
  private readonly hud = byId("hud", HTMLParagraphElement);
  private tickedAt = 0;

  show(stats: Stats | null, measured: Measured | null, now: number): void {
    this.figures(stats, measured);
    this.stages.show(stats?.stages_ms ?? null);
    this.facts(stats);
    this.engine.show(stats, now);
    showTraffic(stats, measured?.traffic ?? null);
    write(this.hud, overlayWords(stats, measured));
    if (now - this.tickedAt < TICK_MS - 50) return;
    this.tickedAt = now;
    const glass = measured?.glassToGlass ?? null;
    this.glass.add(glass?.p50 ?? null, glass?.p95 ?? null);
    this.fps.add(stats?.fps.out ?? null, stats?.fps.in ?? null);
    this.memory.add(memoryInUse(stats));
  }

  clear(): void {
    this.engine.clear();
    for (const spark of [this.glass, this.fps, this.memory]) spark.clear();
  }

  private figures(stats: Stats | null, measured: Measured | null): void {
    setFigure("g2g", milliseconds(measured?.glassToGlass?.p50 ?? null));
    set("g2g-p95", withUnit(milliseconds(measured?.glassToGlass?.p95 ?? null), "ms"));
    set("summary-figures", summaryWords(stats, measured));
    setFigure("fps-out", rate(stats?.fps.out ?? null));
    set("fps-in", rate(stats?.fps.in ?? null));
    set("fps-shown", rate(measured?.displayedFps ?? null));
  }

  private facts(stats: Stats | null): void {
    const onDevice = stats?.memory.device_allocated_bytes != null;
    set("server-ms", withUnit(pair(stats?.server_ms ?? null), "ms"));
    set("apply-ms", withUnit(milliseconds(stats?.instruction_apply_ms ?? null), "ms"));
    set("frames-edited", count(stats?.frames.edited ?? null));
    set("drops", stats === null ? UNMEASURED : drops(stats.frames.dropped));
    set("memory-name", onDevice ? "Device memory" : "Process memory");
    set("memory", memoryWords(stats));
    set("size-camera", size(stats?.size.in ?? null));
    set("size-edited", size(stats?.size.edit ?? null));
    set("size-shown", size(stats?.size.shown ?? null));
    const drift = stats?.drift ?? null;
    set("drift", drift === null ? UNMEASURED : drift.toFixed(3));
  }
}

function set(id: string, words: string): void {
  const element = document.getElementById(id);
  if (element !== null) write(element, words);
}

/** A large figure; a large dash would look like one. */
function setFigure(id: string, words: string): void {
  set(id, words);
  document.getElementById(id)?.classList.toggle("unmeasured", words === UNMEASURED);
}

function memoryInUse(stats: Stats | null): number | null {
  return stats?.memory.device_allocated_bytes ?? stats?.memory.process_bytes ?? null;
}

function memoryWords(stats: Stats | null): string {
  const used = bytes(memoryInUse(stats));
  const peak = stats?.memory.device_peak_bytes ?? null;
  const free = stats?.memory.device_free_bytes ?? null;
  return [
    used,
    ...(peak === null ? [] : [`peak ${bytes(peak)}`]),
    ...(free === null ? [] : [`free ${bytes(free)}`]),
  ].join(" · ");
}

/** What the closed panel still shows. */
function summaryWords(stats: Stats | null, measured: Measured | null): string {
  const glass = milliseconds(measured?.glassToGlass?.p50 ?? null);
  return `${rate(stats?.fps.out ?? null)} fps · ${glass} ms`;
}

function overlayWords(stats: Stats | null, measured: Measured | null): string {
  const glass = measured?.glassToGlass ?? null;
  return [
    `${rate(stats?.fps.out ?? null)} fps`,
    `glass to glass ${milliseconds(glass?.p50 ?? null)} ms`,
    `server ${milliseconds(stats?.server_ms?.p50 ?? null)} ms`,
    [stats?.size.in, stats?.size.edit, stats?.size.shown]
      .map((side) => size(side ?? null))
      .join(" → "),
  ].join("\n");
}
