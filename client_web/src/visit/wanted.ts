import type { ControlRequest, Edits, KeptLayer, Place } from "../messages/control";
import type { Entry } from "./instructions";

/** What a new session is told through. */
export interface Teller {
  /** Resolves once it is answered, or cannot be any more. */
  tell(request: ControlRequest): Promise<unknown>;
  /** Resolves to what the server calls the instruction, null where it has not taken it. */
  send(entry: Entry, place: Place, strength: number): Promise<string | null>;
}

/** While the slider is dragged, what it was a moment ago is no news. */
const STRENGTH_SETTLES_MS = 500;

/** What the visitor wants of the picture: follows what the server says of it, and tells it to the next session. */
export class Wanted {
  /** The stack as the server tells it; null without a connection. */
  edits: Edits | null = null;
  strength = 1;
  frozen = false;
  /** Whether the server is still to be told to freeze: not before there is a picture, or it would hold none. */
  toFreeze = false;
  /** The stack that the next session is told, the first applied first. */
  kept: readonly KeptLayer[] = [];
  /** What was wanted before each that was given alone since the session last told of its stack, the newest last. */
  private replaced: readonly (readonly KeptLayer[])[] = [];
  private bypassed = false;
  /** What was told and is not answered yet: what the session says of itself is without it. */
  private unanswered = 0;
  private strengthSetAt = Number.NEGATIVE_INFINITY;
  private settling: ReturnType<typeof setTimeout> | undefined;

  /** The instructions that show, the one applied last at the end. */
  get inForce(): readonly string[] {
    return this.kept.filter(({ enabled }) => enabled).map(({ text }) => text);
  }

  setStrength(strength: number): void {
    this.strength = strength;
    this.strengthSetAt = performance.now();
    clearTimeout(this.settling);
    // What was said meanwhile is all that will be said, as of an undo.
    this.settling = setTimeout(() => {
      if (this.edits !== null) this.hear(this.edits);
    }, STRENGTH_SETTLES_MS + 1);
    const last = this.kept.length - 1;
    this.kept = this.kept.map((layer, index) => (index === last ? { ...layer, strength } : layer));
  }

  hear(edits: Edits): void {
    this.edits = edits;
    if (this.unanswered > 0) return;
    this.kept = edits.layers;
    this.replaced = [];
    this.bypassed = edits.bypassed;
    if (!this.toFreeze) this.frozen = edits.frozen;
    const top = edits.layers.at(-1);
    if (top !== undefined && performance.now() - this.strengthSetAt > STRENGTH_SETTLES_MS) {
      this.strength = top.strength;
    }
  }

  /** An instruction is given, with or without a session to tell it to. */
  keep(text: string, place: Place, strength: number): void {
    const layer = { text, strength, enabled: true };
    if (place === "alone") this.replaced = [...this.replaced, this.kept];
    this.kept = place === "alone" ? [layer] : onTop(this.kept, [layer]);
  }

  /** How much of a new instruction shows: the slider is for what is alone. */
  strengthAt(place: Place): number {
    return place === "alone" ? this.strength : 1;
  }

  /** Follow nothing that the session says of itself until it has answered this as well. */
  async holdUntil(answered: Promise<unknown>): Promise<void> {
    this.unanswered += 1;
    try {
      await answered;
    } finally {
      this.unanswered -= 1;
    }
    if (this.edits !== null) this.hear(this.edits);
  }

  lose(): void {
    this.edits = null;
  }

  /**
   * Tell a new session what showed in the last one, and what was asked for since.
   *
   * @param entryOf what the visitor said in these words
   */
  restore(session: Teller, entryOf: (text: string) => Entry): Promise<void> {
    this.toFreeze = this.frozen;
    const told: Promise<unknown>[] = [this.restoreStack(session, entryOf)];
    if (this.bypassed) told.push(session.tell({ type: "bypass", bypassed: true }));
    return this.holdUntil(Promise.all(told));
  }

  /** The first picture of a session shows. */
  pictured(session: Teller): void {
    if (this.toFreeze) void session.tell({ type: "freeze", frozen: true });
    this.toFreeze = false;
  }

  private async restoreStack(session: Teller, entryOf: (text: string) => Entry): Promise<void> {
    const sayKept = (first: Place) =>
      // All at once, so that what the visitor asks for meanwhile comes after them.
      Promise.all(
        this.kept.map(async ({ text, strength, enabled }, index) => {
          const place = index === 0 ? first : "top";
          const id = await session.send(entryOf(text), place, strength);
          if (id === null || enabled || !this.isOff(text)) return;
          await session.tell({ type: "layer", instruction_id: id, enabled: false });
        }),
      );
    await sayKept("top");
    // In the place of what was taken of it, which comes on top.
    while (this.fallBack(({ text }) => entryOf(text).status === "refused")) await sayKept("alone");
  }

  /**
   * The last session would have refused what was given alone as well, and gone on with what showed before.
   *
   * @returns whether there is another stack to tell now
   */
  private fallBack(isRefused: (layer: KeptLayer) => boolean): boolean {
    const [lowest] = this.kept;
    const before = this.replaced.at(-1);
    if (lowest === undefined || before === undefined || !isRefused(lowest)) return false;
    this.replaced = this.replaced.slice(0, -1);
    const taken = this.kept.filter((layer) => !isRefused(layer));
    this.kept = onTop(before, taken);
    return this.kept.length > 0;
  }

  /** Whether an instruction is still wanted, switched off. */
  private isOff(text: string): boolean {
    return this.kept.some((layer) => layer.text === text && !layer.enabled);
  }
}

/** Some layers on top of others, each text once. */
function onTop(below: readonly KeptLayer[], layers: readonly KeptLayer[]): KeptLayer[] {
  const others = below.filter(({ text }) => !layers.some((layer) => layer.text === text));
  return [...others, ...layers];
}
