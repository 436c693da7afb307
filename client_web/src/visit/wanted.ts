import type { ControlRequest, Edits, Layer, Place } from "../messages/control";
import type { Entry } from "./instructions";

/** What a new session is told through. */
export interface Teller {
  tell(request: ControlRequest): void;
  send(entry: Entry, place: Place): Promise<void>;
}

/** While the slider is dragged, what it was a moment ago is no news. */
const STRENGTH_SETTLES_MS = 500;

/** What the visitor wants of the picture: follows what the server says of it, and tells it to the next session. */
export class Wanted {
  /** The stack as the server tells it; null without a connection. */
  edits: Edits | null = null;
  strength = 1;
  frozen = false;
  private kept: readonly Layer[] = [];
  private strengthSetAt = Number.NEGATIVE_INFINITY;

  setStrength(strength: number): void {
    this.strength = strength;
    this.strengthSetAt = performance.now();
  }

  hear(edits: Edits): void {
    this.edits = edits;
    // What a new session says of itself before it has been told anything is not what showed.
    if (edits.layers.length > 0 || edits.can_undo) this.kept = edits.layers;
    const top = edits.layers.at(-1);
    if (top !== undefined && performance.now() - this.strengthSetAt > STRENGTH_SETTLES_MS) {
      this.strength = top.strength;
    }
    this.frozen = edits.frozen;
  }

  lose(): void {
    this.edits = null;
  }

  /**
   * Tell a new session what showed in the last one.
   *
   * @param current the instruction in force
   */
  async restore(session: Teller, current: Entry | null): Promise<void> {
    const { kept } = this;
    if (this.strength !== 1) session.tell({ type: "strength", value: this.strength });
    if (this.frozen) session.tell({ type: "freeze", frozen: true });
    if (kept.length < 2) {
      if (current !== null) await session.send(current, "alone");
      return;
    }
    for (const [index, layer] of kept.entries()) {
      const place = index === 0 ? "alone" : "top";
      if (current?.text === layer.text) await session.send(current, place);
      else session.tell({ type: "instruction", text: layer.text, strength: layer.strength, place });
    }
  }
}
