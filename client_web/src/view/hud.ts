import { STAGES, type Stats } from "../messages/stats";
import { drops, milliseconds, pair, rate, size } from "./format";

/**
 * Telemetry as it lies over a viewer's picture.
 *
 * @param width of the picture as it arrives, 0 before the first
 */
export function hudWords(stats: Stats | null, width: number, height: number): string {
  const stages = STAGES.map(
    (stage) => `${stage} ${milliseconds(stats?.stages_ms[stage]?.p50 ?? null)}`,
  );
  return [
    `${rate(stats?.fps.in ?? null)} → ${rate(stats?.fps.out ?? null)} fps`,
    [
      stats?.size.in ?? null,
      stats?.size.edit ?? null,
      width > 0 ? ([width, height] as const) : null,
    ]
      .map(size)
      .join(" → "),
    `server ${pair(stats?.server_ms ?? null)} ms`,
    `${stages.join("  ")} ms`,
    `dropped ${drops(stats?.frames.dropped ?? {})}`,
  ].join("\n");
}
