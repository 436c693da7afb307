import type { Percentiles } from "../messages/stats";

/** What stands where nothing was measured. */
export const UNMEASURED = "–";

/** Whole numbers from ten up, one decimal below: as much as a moving number lets one read. */
export function milliseconds(ms: number | null): string {
  if (ms === null) return UNMEASURED;
  return ms < 9.95 ? ms.toFixed(1) : ms.toFixed(0);
}

export function pair(value: Percentiles | null): string {
  return value === null ? UNMEASURED : `${milliseconds(value.p50)} / ${milliseconds(value.p95)}`;
}

/** A value in words with its unit; a dash needs none. */
export function withUnit(words: string, unit: string): string {
  return words === UNMEASURED ? words : `${words} ${unit}`;
}

export function rate(perSecond: number | null): string {
  return perSecond === null ? UNMEASURED : perSecond.toFixed(perSecond < 9.95 ? 1 : 0);
}

export function count(value: number | null): string {
  return value === null ? UNMEASURED : Math.round(value).toLocaleString("en");
}

export function bytes(value: number | null): string {
  if (value === null) return UNMEASURED;
  const mebibytes = value / 2 ** 20;
  return mebibytes < 1000 ? `${mebibytes.toFixed(0)} MiB` : `${(mebibytes / 1024).toFixed(2)} GiB`;
}

export function bitrate(bitsPerSecond: number | null): string {
  if (bitsPerSecond === null) return UNMEASURED;
  const megabits = bitsPerSecond / 1e6;
  if (megabits < 0.995) return `${Math.round(bitsPerSecond / 1000)} kbit/s`;
  return `${megabits.toFixed(megabits < 9.95 ? 1 : 0)} Mbit/s`;
}

/** A clause as the beginning of a sentence. */
export function capital(clause: string): string {
  return clause.charAt(0).toUpperCase() + clause.slice(1);
}

/** As exact as it is of use: seconds below a minute and a half, then minutes. */
export function duration(seconds: number): string {
  return seconds < 119.5 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

/** What is known of several things, one after the other. */
export function joined(parts: readonly (string | null | undefined)[]): string {
  const known = parts.filter((part) => part != null);
  return known.length === 0 ? UNMEASURED : known.join(" · ");
}

export function size(value: readonly [number, number] | null): string {
  return value === null ? UNMEASURED : `${value[0]} × ${value[1]}`;
}

/** Where on its way a frame was dropped, by the server's name for it. */
const DROPPED: Readonly<Record<string, string>> = {
  network: "lost on the way up",
  decode: "in decoding",
  inbox: "before the edit",
  edit: "in the edit",
  outbox: "after the edit",
  frame_rate: "beyond the receiver's frame rate",
  encode: "in encoding",
  frozen: "while frozen",
};

/** How many frames were dropped and where, most first: "3 before the edit, 1 while frozen"; "none" if none were. */
export function drops(dropped: Readonly<Record<string, number>>): string {
  const reasons = Object.entries(dropped);
  if (reasons.length === 0) return UNMEASURED;
  const some = reasons.filter(([, n]) => n > 0).sort(([, a], [, b]) => b - a);
  if (some.length === 0) return "none";
  return some
    .map(([reason, n]) => `${count(n)} ${DROPPED[reason] ?? reason.replaceAll("_", " ")}`)
    .join(", ");
}
