import type { Recording } from "../messages/control";
import type { Stay } from "../visit/stay";
import type { RecordedFile } from "../visit/take";
import { byId, create, write } from "./dom";

const NAMES: Readonly<Record<string, string>> = {
  "edited.mp4": "Download the video",
  "original.mp4": "Original",
  "instructions.jsonl": "Log of instructions",
};

/** The record button, and what became of the last recording. */
export class RecordingView {
  private readonly button = byId("record", HTMLButtonElement);
  private readonly original = byId("record-original", HTMLInputElement);
  private readonly recorded = byId("recorded", HTMLParagraphElement);
  private shown = "";

  constructor(toggle: (original: boolean) => void) {
    this.button.addEventListener("click", () => toggle(this.original.checked));
  }

  show(visit: Stay, now: number): void {
    const { since, recording, files } = visit.take;
    this.button.disabled = visit.session === null || !visit.pictured;
    this.button.dataset["state"] = since === null ? "idle" : "recording";
    this.original.disabled = since !== null;
    write(
      byId("record-label", HTMLSpanElement),
      since === null ? "Record" : `Stop ${clock(now - since)}`,
    );
    const key = since === null && recording !== null ? recording.id + recording.state : "";
    if (key === this.shown) return;
    this.shown = key;
    showRecorded(this.recorded, key === "" ? null : recording, files);
  }
}

/** Say in a line what was recorded, with its files to download; null empties the line. */
export function showRecorded(
  line: HTMLElement,
  recording: Recording | null,
  files: readonly RecordedFile[],
): void {
  line.hidden = recording === null;
  if (recording === null) return;
  line.replaceChildren(
    `${recordedWords(recording)} `,
    ...files.flatMap(({ name, url }) => [
      create("a", { href: url.href, download: "" }, NAMES[name] ?? name),
      " ",
    ]),
  );
}

/** How long a recording is, and why it ended where nobody asked for that; or that its end will not be heard of. */
export function recordedWords({ state, duration_s: duration, reason }: Recording): string {
  if (state === "recording") {
    return "The recording goes on without this page. Once it has ended, it is here:";
  }
  const length = duration === null ? "" : ` ${duration.toFixed(1)} s`;
  const why = reason === null || reason === "stopped" ? "" : ` It ended early: ${reason}.`;
  return `Recorded${length}.${why}`;
}

/** Minutes and seconds. */
export function clock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
