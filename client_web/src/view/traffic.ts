import type { Stats } from "../messages/stats";
import { codecName, type Flow, type Path, type Traffic } from "../rtc/traffic";
import { byId, write } from "./dom";
import { bitrate, milliseconds, UNMEASURED } from "./format";

/** How FFmpeg ends the names of what runs on hardware. */
const HARDWARE: Readonly<Record<string, string>> = {
  nvenc: "NVIDIA",
  cuvid: "NVIDIA",
  vaapi: "VA-API",
  qsv: "Intel",
  amf: "AMD",
  v4l2m2m: "Video4Linux",
  videotoolbox: "Apple",
  mediacodec: "Android",
  vulkan: "Vulkan",
};

/** The rows about the way there and back: codecs, bit rates, the network's path. */
export function showTraffic(stats: Stats | null, traffic: Traffic | null): void {
  const [encoder, ...others] = stats?.codecs.encoders ?? [];
  const rows = {
    "flow-up": flowWords(traffic?.up ?? null),
    decoder: codecWords(stats?.codecs.decoder ?? null),
    "flow-down": flowWords(traffic?.down ?? null),
    encoder: [
      codecWords(encoder?.name ?? null),
      ...(others.length === 0 ? [] : [`and ${others.length} for viewers`]),
    ].join(", "),
    target: bitrate(encoder?.bitrate_bps ?? null),
    path: pathWords(traffic?.path ?? null),
  };
  for (const [id, words] of Object.entries(rows)) write(byId(id, HTMLElement), words);
}

/** @param name FFmpeg's */
export function codecWords(name: string | null): string {
  if (name === null) return UNMEASURED;
  const hardware = HARDWARE[name.slice(name.lastIndexOf("_") + 1)];
  return `${name} · ${hardware === undefined ? "software" : `${hardware} hardware`}`;
}

export function pathWords(path: Path | null): string {
  if (path === null) return UNMEASURED;
  return [
    path.relayed ? "relayed by TURN" : "direct",
    ...(path.protocol === null ? [] : [path.protocol]),
    ...(path.roundTripMs === null ? [] : [`${milliseconds(path.roundTripMs)} ms round trip`]),
  ].join(" · ");
}

function flowWords(flow: Flow | null): string {
  if (flow === null || flow.codec === null) return UNMEASURED;
  return `${codecName(flow.codec)} · ${bitrate(flow.bitsPerSecond)}`;
}
