import type { Recording } from "../messages/control";
import type { Stay } from "../visit/stay";
import type { Recorded, Take } from "../visit/take";
import { byId, create, onPress, setPressable, write } from "./dom";

const NAMES: Readonly<Record<string, string>> = {
  "edited.mp4": "Download the video",
  "original.mp4": "Original",
  "instructions.jsonl": "Log of instructions",
};

/** The record button, and what became of the recordings. */
export class RecordingView {
  private readonly button = byId("record", HTMLButtonElement);
  private readonly original = byId("record-original", HTMLInputElement);
  private readonly recorded = new RecordedView("recorded", this.button);

  constructor(toggle: (original: boolean) => void) {
    onPress(this.button, () => toggle(this.original.checked));
  }

  show(visit: Stay, now: number): void {
    const { since } = visit.take;
    setPressable(this.button, visit.session !== null && visit.pictured);
    this.button.dataset["state"] = since === null ? "idle" : "recording";
    this.original.disabled = since !== null;
    write(
      byId("record-label", HTMLSpanElement),
      since === null ? "Record" : `Stop ${clock(now - since)}`,
    );
    this.recorded.show(visit.take);
  }
}

/** What was recorded, with its files to download: the last in a line that is read out, those before it below. */
export class RecordedView {
  private readonly last: HTMLElement;
  private readonly earlier: HTMLElement;
  private lastShown = "";
  private earlierShown: readonly Recorded[] = [];

  /**
   * @param name the line's id; that of those before is this and "-earlier"
   * @param neighbour takes the focus where the link that has it goes
   */
  constructor(
    name: string,
    private readonly neighbour: HTMLElement,
  ) {
    this.last = byId(name, HTMLParagraphElement);
    this.earlier = byId(`${name}-earlier`, HTMLDivElement);
  }

  show(take: Take): void {
    const focused = this.links.find((link) => link === document.activeElement);
    this.draw(take);
    if (focused === undefined || focused.isConnected) return;
    // The last recording's files are among those before it once there is another.
    (this.links.find(({ href }) => href === focused.href) ?? this.neighbour).focus();
  }

  private get links(): HTMLAnchorElement[] {
    return [this.last, this.earlier].flatMap((part) => [...part.querySelectorAll("a")]);
  }

  private draw({ since, recording, files, earlier }: Take): void {
    const last = since === null ? recording : null;
    const key = last === null ? "" : last.id + last.state;
    if (key !== this.lastShown) {
      this.lastShown = key;
      this.last.hidden = last === null;
      this.last.replaceChildren(...(last === null ? [] : line({ recording: last, files })));
    }
    if (earlier === this.earlierShown) return;
    this.earlierShown = earlier;
    this.earlier.hidden = earlier.length === 0;
    this.earlier.replaceChildren(...earlier.map((one) => create("p", {}, ...line(one))));
  }
}

function line({ recording, files }: Recorded): (Node | string)[] {
  return [
    `${recordedWords(recording)} `,
    ...files.flatMap(({ name, url }) => [
      create("a", { href: url.href, download: "" }, NAMES[name] ?? name),
      " ",
    ]),
  ];
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
