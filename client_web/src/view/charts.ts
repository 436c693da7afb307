import { type Percentiles, STAGES, type Stage } from "../messages/stats";
import { byId, create, write } from "./dom";
import { pair } from "./format";

const SVG = "http://www.w3.org/2000/svg";
/** Width and height of a sparkline's drawing, in its own units; CSS stretches it. */
const WIDTH = 120;
const HEIGHT = 32;
const MARGIN = 2;

/**
 * The outline through `values`, one step per value, the newest at the right edge; an unmeasured value leaves a gap.
 *
 * @param top the value drawn at the upper edge; 0 lies at the lower
 */
export function sparkPath(
  values: readonly (number | null)[],
  capacity: number,
  top: number,
): string {
  const step = WIDTH / (capacity - 1);
  let path = "";
  let pen = "M";
  values.forEach((value, index) => {
    if (value === null) {
      pen = "M";
      return;
    }
    const x = WIDTH - (values.length - 1 - index) * step;
    const y = HEIGHT - MARGIN - (Math.min(value, top) / top) * (HEIGHT - 2 * MARGIN);
    path += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  return path;
}

/** The next round number above `value`: 1, 2 or 5 times a power of ten. */
export function roundTop(value: number): number {
  const magnitude = 10 ** Math.floor(Math.log10(Math.max(value, 1e-9)));
  const share = value / magnitude;
  return (share <= 1 ? 1 : share <= 2 ? 2 : share <= 5 ? 5 : 10) * magnitude;
}

/** The last minute of one number, and optionally a second one behind it. */
export class Sparkline {
  private static readonly CAPACITY = 120;
  private readonly series: (number | null)[][];
  private readonly paths: SVGPathElement[];

  /**
   * @param leastTop the scale never shrinks below this, so that noise around a small value stays small
   */
  constructor(
    svg: SVGSVGElement,
    seriesCount: number,
    private readonly leastTop: number,
  ) {
    this.series = Array.from({ length: seriesCount }, () => []);
    this.paths = this.series.map((_, index) => {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", `line-${index}`);
      path.setAttribute("vector-effect", "non-scaling-stroke");
      svg.prepend(path);
      return path;
    });
  }

  add(...values: readonly (number | null)[]): void {
    this.series.forEach((series, index) => {
      series.push(values[index] ?? null);
      if (series.length > Sparkline.CAPACITY) series.shift();
    });
    const measured = this.series.flat().filter((value) => value !== null);
    const top = Math.max(this.leastTop, roundTop(Math.max(0, ...measured) * 1.05));
    this.series.forEach((series, index) => {
      this.paths[index]?.setAttribute("d", sparkPath(series, Sparkline.CAPACITY, top));
    });
  }

  clear(): void {
    for (const series of this.series) series.length = 0;
    for (const path of this.paths) path.removeAttribute("d");
  }
}

const STAGE_NAMES: Readonly<Record<Stage, string>> = {
  uplink: "Up",
  decode: "Decode",
  wait: "Wait",
  edit: "Edit",
  detail: "Detail",
  encode: "Encode",
  downlink: "Down",
};

/** A bar per stage, p50 solid and p95 as a whisker, and above them all stages in a row as the frame meets them. */
export class StageBars {
  private readonly rows: Readonly<
    Record<Stage, { bar: HTMLElement; tail: HTMLElement; value: HTMLElement; share: HTMLElement }>
  >;

  constructor() {
    const list = byId("stages", HTMLUListElement);
    const journey = byId("journey", HTMLDivElement);
    const row = (stage: Stage) => {
      const share = create("i", { "data-stage": stage });
      journey.append(share);
      const tail = create("i", { class: "tail" });
      const bar = create("i", { class: "bar" });
      const value = create("span", { class: "value", "data-testid": `stage-${stage}` }, "–");
      list.append(
        create(
          "li",
          { "data-stage": stage },
          create("span", { class: "name" }, STAGE_NAMES[stage]),
          create("span", { class: "track", "aria-hidden": "true" }, tail, bar),
          value,
        ),
      );
      return { bar, tail, value, share };
    };
    this.rows = Object.fromEntries(STAGES.map((stage) => [stage, row(stage)])) as typeof this.rows;
  }

  show(stages: Readonly<Record<Stage, Percentiles | null>> | null): void {
    const tops = STAGES.map((stage) => stages?.[stage]?.p95 ?? 0);
    const top = Math.max(20, roundTop(Math.max(...tops)));
    for (const stage of STAGES) {
      const value = stages?.[stage] ?? null;
      const row = this.rows[stage];
      row.bar.style.width = `${value === null ? 0 : (100 * Math.min(value.p50, top)) / top}%`;
      row.tail.style.width = `${value === null ? 0 : (100 * Math.min(value.p95, top)) / top}%`;
      row.share.style.flexGrow = String(value?.p50 ?? 0);
      write(row.value, pair(value));
    }
  }
}
