import type { ControlRequest, Edits } from "../messages/control";
import { recall, remember } from "../remembered";
import type { Stay } from "../visit/stay";
import { byId, onPress, setPressable, write } from "./dom";

/** What the tools under the video ask for. */
export interface ToolActions {
  /** Resolves once the server has answered. */
  tell(request: ControlRequest): Promise<boolean>;
  setStrength(strength: number): void;
  setFrozen(frozen: boolean): void;
}

const OVERLAY_KEY = "afterimage.overlay";

/** Undo, redo, bypass, freeze, strength and the switch of the overlay. */
export class Tools {
  private readonly undo = byId("undo", HTMLButtonElement);
  private readonly redo = byId("redo", HTMLButtonElement);
  private readonly bypass = byId("bypass", HTMLButtonElement);
  private readonly freeze = byId("freeze", HTMLButtonElement);
  private readonly strength = byId("strength", HTMLInputElement);
  private frozen = false;
  private edits: Edits | null = null;
  /** What was asked of the bypass and is not heard of yet. */
  private bypassAsked: boolean | null = null;

  constructor(private readonly actions: ToolActions) {
    onPress(this.undo, () => void actions.tell({ type: "undo" }));
    onPress(this.redo, () => void actions.tell({ type: "redo" }));
    onPress(this.bypass, () => void this.toggleBypass());
    this.freeze.addEventListener("click", () => this.toggleFrozen());
    this.strength.addEventListener("input", () => {
      actions.setStrength(Number(this.strength.value) / 100);
    });
    switchOverlay();
  }

  toggleFrozen(): void {
    this.actions.setFrozen(!this.frozen);
  }

  show({ wanted }: Stay): void {
    this.frozen = wanted.frozen;
    const percent = Math.round(wanted.strength * 100);
    // Not out of the hand that drags it; with the focus alone it follows as its number does.
    if (!this.strength.matches(":active")) this.strength.value = String(percent);
    this.strength.style.setProperty("--share", `${percent}%`);
    write(byId("strength-value", HTMLOutputElement), `${percent} %`);
    this.freeze.setAttribute("aria-pressed", String(wanted.frozen));
    byId("freeze-icon", SVGUseElement).setAttribute("href", wanted.frozen ? "#i-play" : "#i-pause");
    // Also drawn while nothing is heard, which answers nothing.
    if (this.edits !== wanted.edits) {
      this.edits = wanted.edits;
      if (this.edits === null || this.edits.bypassed === this.bypassAsked) this.bypassAsked = null;
    }
    this.bypass.setAttribute("aria-pressed", String(wanted.edits?.bypassed ?? false));
    setPressable(this.bypass, wanted.edits !== null);
    setPressable(this.undo, wanted.edits?.can_undo === true);
    setPressable(this.redo, wanted.edits?.can_redo === true);
  }

  /** Pressed again before it is heard of, it is for the opposite. */
  private async toggleBypass(): Promise<void> {
    const bypassed = !(this.bypassAsked ?? this.edits?.bypassed);
    this.bypassAsked = bypassed;
    const taken = await this.actions.tell({ type: "bypass", bypassed });
    if (!taken && this.bypassAsked === bypassed) this.bypassAsked = null;
  }
}

function switchOverlay(): void {
  const overlay = byId("overlay", HTMLButtonElement);
  const hud = byId("hud", HTMLParagraphElement);
  const set = (on: boolean) => {
    hud.hidden = !on;
    overlay.setAttribute("aria-pressed", String(on));
    remember("localStorage", OVERLAY_KEY, on ? "1" : "0");
  };
  set(recall("localStorage", OVERLAY_KEY) === "1");
  overlay.addEventListener("click", () => set(hud.hidden !== false));
}
