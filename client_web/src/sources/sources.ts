import { CameraTrouble, describe, type Trouble } from "../troubles";
import { objection } from "../visit/instructions";
import { unforeseen } from "../visit/trouble";
import type { Visit } from "../visit/visit";
import { openCamera, type Size, type Source } from "./camera";
import { openDemo, openFile } from "./clips";

/** Which camera, null for the browser's choice, and how large its picture or a clip's. */
export interface Choice {
  readonly deviceId: string | null;
  readonly size: Size;
}

/** Where the visitor chooses a source, and is told what becomes of it before the first is open. */
export interface SourceChooser {
  /** The first instruction; empty for none. */
  readonly instruction: string;
  /** What is chosen on the first screen, or beside the live picture. */
  choice(screen: "start" | "live"): Choice;
  showTrouble(trouble: Trouble | null): void;
  /** @param words what is waited for, null for nothing any more */
  busy(words: string | null): void;
}

/** What the page does with a source. */
export interface SourceUse {
  /** The visit it is for; null before the first source. */
  visit(): Visit | null;
  /** The first source is open: a visit begins with it. */
  enter(source: Source, size: Size): void;
  /** Another source is open; null where the one there was got into trouble, or out of it. */
  changed(opened: Source | null): void;
}

/** A camera on a busy machine sends nothing for a moment now and then; longer is worth a word. */
const MUTED_MS = 2_000;

interface Opened {
  readonly source: Source;
  readonly size: Size;
}

/** Where the picture comes from: opens a camera, the demo clip or a file, and watches over it. */
export class Sources {
  /** What is wrong with the source of the visit. */
  trouble: Trouble | null = null;
  /** The file last opened, to reopen it in another size. */
  private file: File | null = null;
  /** Counts requests for a source: one that comes after a newer request is closed again. */
  private asked = 0;

  constructor(
    private readonly start: SourceChooser,
    private readonly use: SourceUse,
  ) {}

  /** Begin with this source, or change to it while live; say why not where it does not open. */
  async begin(kind: Source["kind"], chosen: File | null = this.file): Promise<void> {
    this.asked += 1;
    const request = this.asked;
    try {
      const visit = this.use.visit();
      const opened =
        visit === null ? await this.first(kind, chosen) : await this.another(visit, kind, chosen);
      if (opened === null) return;
      const { source, size } = opened;
      if (request !== this.asked) {
        source.close();
        return;
      }
      if (kind === "file") this.file = chosen;
      this.trouble = kind === "camera" && source.track.muted ? describe("camera-muted") : null;
      this.watch(source);
      if (visit === null) this.use.enter(source, size);
      else await visit.replaceSource(source);
      this.use.changed(source);
    } catch (error) {
      const trouble = troubleOf(error);
      if (request === this.asked) this.complain(trouble);
    } finally {
      if (request === this.asked) this.start.busy(null);
    }
  }

  /** Go on with the source as it is, in trouble or not. */
  keep(): void {
    this.trouble = null;
    this.use.changed(null);
  }

  /** No source is wanted any more: what is being opened comes too late. */
  leave(): void {
    this.asked += 1;
    this.trouble = null;
    this.start.busy(null);
  }

  private async first(kind: Source["kind"], chosen: File | null): Promise<Opened | null> {
    const { start } = this;
    start.showTrouble(null);
    const wrong = start.instruction === "" ? null : objection(start.instruction);
    if (wrong !== null) {
      start.showTrouble(describe("instruction-unfit", wrong));
      return null;
    }
    start.busy(kind === "camera" ? "Waiting for your permission…" : null);
    const choice = start.choice("start");
    return { source: await open(kind, choice, chosen), size: choice.size };
  }

  private async another(visit: Visit, kind: Source["kind"], chosen: File | null): Promise<Opened> {
    // Phones lend one camera at a time: the old one must go before the new one is asked for.
    if (kind === "camera" && visit.source.kind === "camera") visit.source.close();
    const choice = this.start.choice("live");
    return { source: await open(kind, choice, chosen), size: choice.size };
  }

  private complain(trouble: Trouble): void {
    const visit = this.use.visit();
    if (visit === null) {
      this.start.showTrouble(trouble);
      return;
    }
    const goesOn = visit.source.track.readyState === "live";
    this.trouble = goesOn ? { ...trouble, remedies: [...trouble.remedies, "keep"] } : trouble;
    this.use.changed(null);
  }

  /** A camera can be unplugged, taken back or switched off at any time. */
  private watch({ kind, track }: Source): void {
    const say = (trouble: Trouble | null) => {
      if (this.use.visit()?.source.track !== track) return;
      this.trouble = trouble;
      this.use.changed(null);
    };
    track.addEventListener("ended", () => say(describe("camera-ended")));
    if (kind !== "camera") return;
    const muted = () => {
      setTimeout(() => {
        if (track.muted && track.readyState === "live") say(describe("camera-muted"));
      }, MUTED_MS);
    };
    if (track.muted) muted();
    track.addEventListener("mute", muted);
    track.addEventListener("unmute", () => {
      if (this.trouble?.kind === "camera-muted") say(null);
    });
  }
}

function troubleOf(error: unknown): Trouble {
  if (error instanceof CameraTrouble) return describe(error.kind, error.detail);
  return { ...unforeseen(error), remedies: ["camera", "demo", "file"] };
}

function open(
  kind: Source["kind"],
  { deviceId, size }: Choice,
  chosen: File | null,
): Promise<Source> {
  if (kind === "demo") return openDemo(size);
  if (kind === "file" && chosen !== null) return openFile(chosen, size);
  return openCamera(deviceId, size);
}
