import type { ControlRequest } from "../messages/control";
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
  private bypassed = false;

  constructor(private readonly actions: ToolActions) {
    onPress(this.undo, () => void actions.tell({ type: "undo" }));
    onPress(this.redo, () => void actions.tell({ type: "redo" }));
    onPress(this.bypass, () => {
      void actions.tell({ type: "bypass", bypassed: !this.bypassed });
    });
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
    this.bypassed = wanted.edits?.bypassed ?? false;
    this.bypass.setAttribute("aria-pressed", String(this.bypassed));
    setPressable(this.bypass, wanted.edits !== null);
    setPressable(this.undo, wanted.edits?.can_undo === true);
    setPressable(this.redo, wanted.edits?.can_redo === true);
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
