import type { Place } from "../messages";
import { type Family, tour } from "../suggestions";
import { describe, type Remedy, type Trouble } from "../troubles";
import type { Entry, Visit } from "../visit";
import { byId, create, write } from "./dom";
import { count, milliseconds } from "./format";
import { HistoryView } from "./history";
import { InstructionBox, objection } from "./instruction_box";
import { RecordingView } from "./recording";
import { type StackActions, StackView } from "./stack";
import { TelemetryView } from "./telemetry";
import { TroubleBox } from "./trouble";

/** What the live page asks of the rest. */
export interface LiveActions extends StackActions {
  apply(text: string, place: Place): void;
  setStrength(strength: number): void;
  setFrozen(frozen: boolean): void;
  setBypassed(bypassed: boolean): void;
  undo(): void;
  redo(): void;
  record(original: boolean): void;
  remedy(remedy: Remedy): void;
}

const IDLE_AFTER_MS = 3_000;
const OVERLAY_KEY = "afterimage.overlay";

/** The live half of the page: the stage, the instruction box, the tools. Shows a `Visit`, never changes one. */
export class LiveView {
  readonly edited = byId("edited", HTMLVideoElement);
  private readonly original = byId("original", HTMLVideoElement);
  private readonly stage = byId("stage", HTMLDivElement);
  private readonly studio = byId("studio", HTMLDivElement);
  private readonly receipt = byId("receipt", HTMLParagraphElement);
  private readonly unknown = byId("unknown", HTMLDivElement);
  private readonly ideas = byId("ideas", HTMLDivElement);
  private readonly strength = byId("strength", HTMLInputElement);
  private readonly compareButton = byId("compare", HTMLButtonElement);
  private readonly freezeButton = byId("freeze", HTMLButtonElement);
  private readonly box: InstructionBox;
  private readonly history: HistoryView;
  private readonly stack: StackView;
  private readonly recording: RecordingView;
  private readonly undoButton = byId("undo", HTMLButtonElement);
  private readonly redoButton = byId("redo", HTMLButtonElement);
  private readonly bypassButton = byId("bypass", HTMLButtonElement);
  private readonly trouble: TroubleBox;
  private readonly telemetry = new TelemetryView();
  private families: readonly Family[] = [];
  private comparing = false;
  private frozen = false;
  private bypassed = false;
  private objected: string | null = null;
  private unknownShown = "";
  private idle = 0;

  constructor(private readonly actions: LiveActions) {
    this.box = new InstructionBox(
      byId("instruction", HTMLInputElement),
      byId("options", HTMLDivElement),
      (text) => this.submit(text),
    );
    this.history = new HistoryView((text) => this.submit(text));
    this.stack = new StackView(actions);
    this.recording = new RecordingView((original) => actions.record(original));
    this.undoButton.addEventListener("click", () => actions.undo());
    this.redoButton.addEventListener("click", () => actions.redo());
    this.bypassButton.addEventListener("click", () => actions.setBypassed(!this.bypassed));
    byId("add", HTMLButtonElement).addEventListener("click", () => this.add());
    this.box.input.addEventListener(
      "keydown",
      (event) => {
        if (event.key !== "Enter" || !event.shiftKey || event.isComposing) return;
        event.preventDefault();
        event.stopImmediatePropagation();
        this.add();
      },
      { capture: true },
    );
    this.trouble = new TroubleBox(byId("live-trouble", HTMLDivElement), actions.remedy);
    byId("composer", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.box.submit();
    });
    for (const buttons of [this.ideas, this.unknown]) {
      buttons.addEventListener("click", (event) => {
        const button = event.target instanceof Element ? event.target.closest("button") : null;
        const text = button?.dataset["text"];
        if (text !== undefined) this.submit(text);
      });
    }
    this.strength.addEventListener("input", () => {
      this.actions.setStrength(Number(this.strength.value) / 100);
    });
    this.freezeButton.addEventListener("click", () => this.toggleFrozen());
    byId("frozen-mark", HTMLButtonElement).addEventListener("click", () => this.toggleFrozen());
    this.holdToCompare();
    this.toggles();
    this.shape();
    document.addEventListener("keydown", (event) => this.shortcut(event));
  }

  offer(families: readonly Family[]): void {
    this.families = families;
    this.box.offer(families);
    this.ideas.replaceChildren(
      ...tour(families).map(({ text, label }) =>
        create("button", { type: "button", "data-text": text, title: text }, label),
      ),
    );
  }

  /** A new visit begins: nothing of the last one stays. */
  begin(): void {
    this.telemetry.clear();
    this.objected = null;
    this.compare(false);
    // On a touch screen the focus would raise the keyboard over the picture.
    if (matchMedia("(pointer: fine)").matches) this.box.input.focus({ preventScroll: true });
  }

  show(visit: Visit, sourceTrouble: Trouble | null): void {
    this.frozen = visit.frozen;
    this.source(visit);
    this.veil(visit);
    this.words(visit);
    this.tools(visit);
    this.history.show(visit.history);
    this.stack.show(visit.edits);
    this.recording.show(visit, performance.now());
    const { link } = visit;
    this.telemetry.show(
      link?.statistics.stats ?? null,
      link?.statistics.measured ?? null,
      performance.now(),
    );
    this.trouble.show(sourceTrouble ?? visit.trouble, sourceTrouble ? null : visit.retryAt);
  }

  setMirrored(mirrored: boolean): void {
    this.stage.classList.toggle("mirrored", mirrored);
    byId("mirror", HTMLButtonElement).setAttribute("aria-pressed", String(mirrored));
  }

  private add(): void {
    this.submit(this.box.input.value, "top");
  }

  private submit(text: string, place: Place = "alone"): void {
    this.box.set(text);
    this.objected = objection(text);
    if (this.objected !== null) {
      this.say("refused", this.objected);
      return;
    }
    this.actions.apply(text.trim(), place);
    this.flash();
  }

  /** The frame of the stage lights up once: Enter was heard, whatever the network does. */
  private flash(): void {
    this.stage.classList.remove("flash");
    void this.stage.offsetWidth;
    this.stage.classList.add("flash");
  }

  private source(visit: Visit): void {
    if (this.original.srcObject !== visit.source.stream) {
      this.original.srcObject = visit.source.stream;
    }
    const needed = this.comparing || !visit.pictured;
    if (needed && this.original.paused) {
      void this.original.play().catch(() => {
        // Interrupted by pause() or by another source; either is what is wanted now.
      });
    }
    if (!needed && !this.original.paused) this.original.pause();
    this.stage.classList.toggle("unpictured", !visit.pictured);
    this.stage.classList.toggle("comparing", this.comparing);
    byId("compare-tag", HTMLParagraphElement).hidden = !this.comparing;
  }

  private veil(visit: Visit): void {
    const waiting = visit.state === "connecting" && visit.trouble === null;
    byId("veil", HTMLDivElement).hidden = !waiting;
    if (waiting) {
      const words = visit.link === null ? "Connecting…" : "Connected. Waiting for the first frame…";
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

  private words(visit: Visit): void {
    const { current } = visit;
    if (this.objected === null) {
      if (visit.refusal !== null) this.say("refused", visit.refusal);
      else this.say(current?.status ?? "none", this.currentWords(current));
    }

    const unknownToAck = current?.ack?.known === false;
    const unknown = unknownToAck || visit.warning?.code === "unknown_instruction";
    const nearest = (unknownToAck ? current.ack?.nearest : visit.warning?.nearest) ?? [];
    this.unknown.hidden = !unknown;
    this.ideas.hidden = unknown;
    const key = unknown && current ? [current.text, ...nearest].join("\n") : "";
    if (key === this.unknownShown) return;
    this.unknownShown = key;
    this.unknown.replaceChildren(
      create("p", {}, "The model was taught nothing like this, so the result is a guess. Nearest:"),
      ...nearest.map((text) => create("button", { type: "button", "data-text": text }, text)),
    );
  }

  private say(status: string, words: string): void {
    this.receipt.dataset["status"] = status;
    write(this.receipt, words);
  }

  private currentWords(entry: Entry | null): string {
    if (entry === null) return "Type how it should look and press Enter.";
    switch (entry.status) {
      case "queued":
        return "Kept. Applied as soon as there is a connection.";
      case "sending":
        return "Sending…";
      case "accepted":
        return `${this.understood(entry)}Waiting for the first frame…`;
      case "applied": {
        const { receipt, shownAfterMs } = entry;
        const frame = receipt?.frame_index == null ? "" : `, frame ${count(receipt.frame_index)}`;
        const shown =
          shownAfterMs === null
            ? ""
            : ` · on your screen ${milliseconds(shownAfterMs)} ms after Enter`;
        return `${this.understood(entry)}Applied in ${milliseconds(receipt?.elapsed_ms ?? null)} ms${frame}${shown}`;
      }
      case "refused":
        return entry.problem ?? "The server refused it.";
      case "replaced":
        return "";
    }
  }

  private understood(entry: Entry): string {
    if (entry.ack?.known !== true) return "";
    const family = this.families.find(({ name }) => name === entry.ack?.family);
    return family === undefined ? "" : `${family.label}. `;
  }

  private tools(visit: Visit): void {
    const percent = Math.round(visit.strength * 100);
    if (document.activeElement !== this.strength) this.strength.value = String(percent);
    this.strength.style.setProperty("--share", `${percent}%`);
    write(byId("strength-value", HTMLOutputElement), `${percent} %`);
    this.freezeButton.setAttribute("aria-pressed", String(visit.frozen));
    write(byId("freeze-label", HTMLSpanElement), visit.frozen ? "Go on" : "Freeze");
    byId("freeze-icon", SVGUseElement).setAttribute("href", visit.frozen ? "#i-play" : "#i-pause");
    this.bypassed = visit.edits?.bypassed ?? false;
    this.bypassButton.setAttribute("aria-pressed", String(this.bypassed));
    this.bypassButton.disabled = visit.edits === null;
    byId("bypass-tag", HTMLParagraphElement).hidden = !this.bypassed;
    this.undoButton.disabled = visit.edits?.can_undo !== true;
    this.redoButton.disabled = visit.edits?.can_redo !== true;
    const { current } = visit;
    for (const button of this.ideas.children) {
      const inForce = current !== null && button.getAttribute("data-text") === current.text;
      button.setAttribute("aria-pressed", String(inForce));
    }
  }

  private toggleFrozen(): void {
    this.actions.setFrozen(!this.frozen);
  }

  private compare(on: boolean): void {
    if (on === this.comparing) return;
    this.comparing = on;
    this.compareButton.setAttribute("aria-pressed", String(on));
    this.stage.classList.toggle("comparing", on);
    byId("compare-tag", HTMLParagraphElement).hidden = !on;
    if (on) void this.original.play().catch(() => {});
  }

  private holdToCompare(): void {
    const release = () => this.compare(false);
    for (const target of [this.compareButton, this.edited, this.original] as HTMLElement[]) {
      target.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        target.setPointerCapture(event.pointerId);
        this.compare(true);
      });
      target.addEventListener("pointerup", release);
      target.addEventListener("pointercancel", release);
      target.addEventListener("lostpointercapture", release);
      // A long touch would open the menu and end the hold.
      target.addEventListener("contextmenu", (event) => event.preventDefault());
    }
    this.compareButton.addEventListener("keydown", (event) => {
      if (event.key !== " " && event.key !== "Enter") return;
      event.preventDefault();
      this.compare(true);
    });
    document.addEventListener("keyup", (event) => {
      if ([" ", "Enter", "c", "C"].includes(event.key)) release();
    });
    window.addEventListener("blur", release);
  }

  private toggles(): void {
    const overlay = byId("overlay", HTMLButtonElement);
    const hud = byId("hud", HTMLParagraphElement);
    const setOverlay = (on: boolean) => {
      hud.hidden = !on;
      overlay.setAttribute("aria-pressed", String(on));
      localStorage.setItem(OVERLAY_KEY, on ? "1" : "0");
    };
    setOverlay(localStorage.getItem(OVERLAY_KEY) === "1");
    overlay.addEventListener("click", () => setOverlay(hud.hidden !== false));
    byId("mirror", HTMLButtonElement).addEventListener("click", () => {
      this.setMirrored(!this.stage.classList.contains("mirrored"));
    });

    const full = byId("full", HTMLButtonElement);
    // An iPhone has no full screen for elements, only its own for a video.
    const video = this.edited as HTMLVideoElement & { webkitEnterFullscreen?: () => void };
    full.hidden = !document.fullscreenEnabled && video.webkitEnterFullscreen === undefined;
    full.addEventListener("click", () => {
      if (document.fullscreenElement) void document.exitFullscreen();
      else if (document.fullscreenEnabled) void this.studio.requestFullscreen();
      else video.webkitEnterFullscreen?.();
    });
    document.addEventListener("fullscreenchange", () => {
      const on = document.fullscreenElement !== null;
      full.setAttribute("aria-pressed", String(on));
      this.wake();
    });
    this.studio.addEventListener("pointermove", () => this.wake());
    this.studio.addEventListener("keydown", () => this.wake());
    this.studio.addEventListener("focusin", () => this.wake());
  }

  /** In full screen the tools leave the picture alone after a while without a hand on them. */
  private wake(): void {
    clearTimeout(this.idle);
    this.studio.classList.remove("idle");
    if (document.fullscreenElement === null) return;
    this.idle = window.setTimeout(() => this.studio.classList.add("idle"), IDLE_AFTER_MS);
  }

  /** The stage takes the picture's shape, also when a camera changes it in between. */
  private shape(): void {
    for (const video of [this.edited, this.original]) {
      video.addEventListener("resize", () => {
        if (video.videoWidth === 0) return;
        // The edit may be rounded to another shape than the camera's; while it shows, the stage is its own.
        if (video === this.original && !this.stage.classList.contains("unpictured")) return;
        this.stage.style.setProperty("--ratio", String(video.videoWidth / video.videoHeight));
      });
    }
  }

  private shortcut(event: KeyboardEvent): void {
    if (document.body.dataset["view"] !== "live") return;
    if (event.altKey || event.defaultPrevented) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest("input[type=text], select, dialog")) return;
    if (event.ctrlKey || event.metaKey) {
      const key = event.key.toLowerCase();
      if (key !== "z" && key !== "y") return;
      event.preventDefault();
      (key === "y" || event.shiftKey ? this.redoButton : this.undoButton).click();
      return;
    }
    const onControl = target.closest("button, a, summary, input") !== null;
    switch (event.key) {
      case " ":
        if (onControl) return;
        event.preventDefault();
        this.compare(true);
        return;
      case "c":
      case "C":
        this.compare(true);
        return;
      case "p":
        this.toggleFrozen();
        return;
      case "b":
        this.bypassButton.click();
        return;
      case "r":
        byId("record", HTMLButtonElement).click();
        return;
      case "o":
        byId("overlay", HTMLButtonElement).click();
        return;
      case "m":
        byId("mirror", HTMLButtonElement).click();
        return;
      case "f":
        byId("full", HTMLButtonElement).click();
        return;
      case "/":
        event.preventDefault();
        this.box.input.focus();
        return;
    }
  }
}

/** For a camera that goes away while its picture is live. */
export const CAMERA_ENDED = describe("camera-ended");
