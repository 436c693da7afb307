import type { Source } from "../sources/camera";
import type { Stay } from "../visit/stay";
import { holdToCompare } from "./compare";
import { byId, write } from "./dom";

/** The edit, the original under it, and what lies over both while there is something to say. */
export class Stage {
  readonly edited = byId("edited", HTMLVideoElement);
  private readonly original = byId("original", HTMLVideoElement);
  private readonly stage = byId("stage", HTMLDivElement);
  private readonly compareButton = byId("compare", HTMLButtonElement);
  private comparing = false;
  private hasOriginal = false;
  private opened: Pick<Source, "kind" | "mirrored"> | null = null;

  constructor(goOn: () => void) {
    holdToCompare(this.compareButton, [this.edited, this.original], (on) => this.compare(on));
    byId("frozen-mark", HTMLButtonElement).addEventListener("click", goOn);
    byId("mirror", HTMLButtonElement).addEventListener("click", () => {
      this.setMirrored(!this.stage.classList.contains("mirrored"));
    });
    this.takeShape();
  }

  /** A new visit begins: nothing of the last one stays. */
  begin(): void {
    this.compare(false);
    this.opened = null;
    this.setMirrored(false);
  }

  /** Another source is open. One of the same kind, as in another size, stays as the visitor has mirrored it. */
  follow(source: Pick<Source, "kind" | "mirrored">): void {
    const { kind, mirrored } = this.opened ?? {};
    this.opened = source;
    // Of two cameras one may look at the visitor, the other away.
    if (source.kind !== kind || source.mirrored !== mirrored) this.setMirrored(source.mirrored);
  }

  show(visit: Stay): void {
    this.source(visit);
    this.veil(visit);
    byId("bypass-tag", HTMLParagraphElement).hidden = visit.wanted.edits?.bypassed !== true;
  }

  compare(on: boolean): void {
    if (on === this.comparing || (on && !this.hasOriginal)) return;
    this.comparing = on;
    this.compareButton.setAttribute("aria-pressed", String(on));
    this.stage.classList.toggle("comparing", on);
    byId("compare-tag", HTMLParagraphElement).hidden = !on;
    if (on) void this.original.play().catch(() => {});
  }

  /** The frame of the stage lights up once: Enter was heard, whatever the network does. */
  flash(): void {
    this.stage.classList.remove("flash");
    void this.stage.offsetWidth;
    this.stage.classList.add("flash");
  }

  private setMirrored(mirrored: boolean): void {
    this.stage.classList.toggle("mirrored", mirrored);
    byId("mirror", HTMLButtonElement).setAttribute("aria-pressed", String(mirrored));
  }

  private source(visit: Stay): void {
    const stream = visit.source?.stream ?? null;
    this.hasOriginal = stream !== null;
    if (this.original.srcObject !== stream) this.original.srcObject = stream;
    const needed = this.hasOriginal && (this.comparing || !visit.pictured);
    if (needed && this.original.paused) {
      void this.original.play().catch(() => {
        // Interrupted by pause() or by another source; either is what is wanted now.
      });
    }
    if (!needed && !this.original.paused) this.original.pause();
    this.stage.classList.toggle("unpictured", !visit.pictured);
  }

  private veil(visit: Stay): void {
    const waiting = visit.state === "connecting" && visit.trouble === null;
    byId("veil", HTMLDivElement).hidden = !waiting;
    if (waiting) {
      const words =
        visit.session === null ? "Connecting…" : "Connected. Waiting for the first frame…";
      write(byId("veil-words", HTMLParagraphElement), words);
    }
    this.stage.dataset["state"] = visit.state;
    byId("frozen-mark", HTMLButtonElement).hidden = visit.state !== "frozen";

    const tag = byId("degraded-tag", HTMLParagraphElement);
    tag.hidden = visit.state !== "degraded";
    if (visit.state === "degraded") {
      tag.title = visit.warning?.detail ?? "";
      write(tag, "The editor failed. You see the untouched picture until it recovers.");
    }
  }

  /** The stage takes the picture's shape, also when a camera changes it in between. */
  private takeShape(): void {
    for (const video of [this.edited, this.original]) {
      video.addEventListener("resize", () => {
        if (video.videoWidth === 0) return;
        // The edit may be rounded to another shape than the camera's; while it shows, the stage is its own.
        if (video === this.original && !this.stage.classList.contains("unpictured")) return;
        this.stage.style.setProperty("--ratio", String(video.videoWidth / video.videoHeight));
      });
    }
  }
}
