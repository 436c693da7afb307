import type { Ack, Place, Warning } from "../messages/control";
import { type Family, tour } from "../server/suggestions";
import { type Entry, isUnknown, objection } from "../visit/instructions";
import type { Stay } from "../visit/stay";
import { sentence } from "../visit/trouble";
import { byId, create, focusToType, write } from "./dom";
import { count, milliseconds } from "./format";
import { InstructionBox } from "./instruction_box";

const HALF_KNOWN = "half_known_instruction";

/** Understanding an instruction takes a fraction of a second. */
const SLOW_ANSWER_MS = 5_000;

/** Where instructions are typed, what became of the last one, and ideas for the next. */
export class Composer {
  private readonly box: InstructionBox;
  private readonly receipt = byId("receipt", HTMLParagraphElement);
  private readonly notice = byId("unknown", HTMLDivElement);
  private readonly ideas = byId("ideas", HTMLDivElement);
  private families: readonly Family[] = [];
  /** What is wrong with the words in the box. */
  private objected: string | null = null;
  private refusalShown: string | null = null;
  private noticeShown = "";

  constructor(private readonly apply: (text: string, place: Place) => void) {
    this.box = new InstructionBox(
      byId("instruction", HTMLInputElement),
      byId("options", HTMLDivElement),
      (text, place) => this.submit(text, place),
    );
    byId("add", HTMLButtonElement).addEventListener("click", () => this.box.submit("top"));
    for (const type of ["click", "input"]) {
      // Whatever else is typed or pressed: what comes of it is told in the same line.
      const drop = () => {
        this.objected = null;
      };
      byId("live", HTMLElement).addEventListener(type, drop, { capture: true });
    }
    byId("composer", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.box.submit("alone");
    });
    for (const buttons of [this.ideas, this.notice]) {
      buttons.addEventListener("click", (event) => {
        const button = event.target instanceof Element ? event.target.closest("button") : null;
        const text = button?.dataset["text"];
        if (text !== undefined) this.submit(text);
      });
    }
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

  begin(): void {
    this.objected = null;
    this.box.set("");
    focusToType(this.box.input);
  }

  focus(): void {
    this.box.input.focus({ preventScroll: true });
  }

  submit(text: string, place: Place = "alone"): void {
    this.box.set(text);
    this.objected = objection(text);
    if (this.objected !== null) {
      this.say("refused", this.objected);
      return;
    }
    this.apply(text.trim(), place);
  }

  show(visit: Stay): void {
    const { current } = visit.instructions;
    // A refusal that is older than the words in the box says nothing of them.
    if (visit.refusal !== this.refusalShown && visit.refusal !== null) this.objected = null;
    this.refusalShown = visit.refusal;
    if (this.objected === null) {
      if (visit.refusal !== null) this.sayRefusal(visit.refusal);
      else this.say(current?.status ?? "none", this.words(current, visit.wanted));
    }
    this.receipt.dataset["known"] = String(current?.ack?.known ?? true);
    this.showNotice(visit);
    for (const button of this.ideas.children) {
      const inForce = visit.wanted.inForce.includes(button.getAttribute("data-text") ?? "");
      button.setAttribute("aria-pressed", String(inForce));
    }
  }

  private showNotice(visit: Stay): void {
    const { current } = visit.instructions;
    const hadFocus = this.offersFocused;
    const notice = noticeOf(current, visit.warning, visit.wanted.inForce, this.families);
    this.notice.hidden = notice === null;
    this.ideas.hidden = notice !== null && notice.nearest.length > 0;
    const { words, nearest } = notice ?? { words: "", nearest: [] };
    // The same of another instruction is news.
    const key = notice === null ? "" : [current?.text, words, ...nearest].join("\n");
    if (key !== this.noticeShown) {
      this.noticeShown = key;
      this.notice.replaceChildren(
        create("p", {}, words),
        ...nearest.map((text) => create("button", { type: "button", "data-text": text }, text)),
      );
    }
    // With its button the focus would be gone as well, and the next letter press a button of the page.
    if (hadFocus && !this.offersFocused) focusToType(this.box.input);
  }

  /** Whether one of the buttons that give an instruction has the focus, where it can be seen. */
  private get offersFocused(): boolean {
    const focused = document.activeElement;
    return [this.ideas, this.notice].some((offers) => !offers.hidden && offers.contains(focused));
  }

  /** What was asked for may be far below this line on a phone: it comes into sight. */
  private sayRefusal(words: string): void {
    const isNew = this.receipt.textContent !== words;
    this.say("refused", words);
    if (isNew) this.receipt.scrollIntoView({ block: "nearest" });
  }

  private say(status: string, words: string): void {
    this.receipt.dataset["status"] = status;
    write(this.receipt, words);
  }

  private words(entry: Entry | null, picture: Held): string {
    if (entry === null) return "Type how it should look and press Enter.";
    switch (entry.status) {
      case "queued":
        return "Kept. Applied as soon as there is a connection.";
      case "sending":
        return sendingWords(performance.now() - entry.askedAt);
      case "accepted":
        return `${this.understood(entry)}${awaitedWords(picture)}`;
      case "applied": {
        const { receipt, shownAfterMs } = entry;
        // Taken, and its first frame shown, while nothing was heard.
        if (receipt === null) return `${this.understood(entry)}Applied.`;
        const frame = receipt.frame_index === null ? "" : `, frame ${count(receipt.frame_index)}`;
        const shown =
          shownAfterMs === null
            ? ""
            : ` · on your screen ${milliseconds(shownAfterMs)} ms after Enter`;
        return `${this.understood(entry)}Applied in ${milliseconds(receipt.elapsed_ms)} ms${frame}${shown}`;
      }
      case "refused":
        if (isUnknown(entry)) return "Not known, so nothing changes.";
        return entry.problem ?? "The server refused it.";
      case "replaced":
        return "";
    }
  }

  private understood({ ack }: Entry): string {
    const done = doneWords(ack, this.families);
    return done === "" ? "" : `${done}. `;
  }
}

/** What an instruction that was not answered yet waits for. */
export function sendingWords(waitedMs: number): string {
  return waitedMs < SLOW_ANSWER_MS ? "Sending…" : "The server has not answered yet…";
}

/** Whether the picture follows what is asked for. */
interface Held {
  readonly frozen: boolean;
  readonly edits: { readonly bypassed: boolean } | null;
}

/** What the first frame of an instruction that was taken waits for. */
export function awaitedWords({ frozen, edits }: Held): string {
  if (frozen) return "It shows when the picture goes on.";
  if (edits?.bypassed) return "It shows when the bypass ends.";
  return "Waiting for the first frame…";
}

/** What an instruction makes of the picture, by the labels of its families; empty where nothing. */
export function doneWords(ack: Ack | null, families: readonly Family[]): string {
  if (ack === null) return "";
  const known = ack.known === true && ack.family !== null ? [ack.family] : [];
  return (ack.edits.length > 0 ? ack.edits : known)
    .map((name) => families.find((family) => family.name === name)?.label ?? "")
    .filter((label) => label !== "")
    .join(" and ");
}

/** What there is to say beside the receipt, and what may be chosen instead. */
export interface Notice {
  readonly words: string;
  readonly nearest: readonly string[];
}

/**
 * Of an instruction that is not known as a whole, or what the server warns of; null for nothing.
 *
 * @param current the instruction said last
 * @param warning heard since
 * @param inForce the instructions that show
 */
export function noticeOf(
  current: Entry | null,
  warning: Warning | null,
  inForce: readonly string[],
  families: readonly Family[],
): Notice | null {
  const ack = current !== null && inForce.includes(current.text) ? current.ack : null;
  // Said twice of one that was typed: by its answer, and by a warning for whoever else listens.
  const halfKnown = ack?.known === false && (warning?.code ?? HALF_KNOWN) === HALF_KNOWN;
  if (halfKnown) return { words: unknownWords(ack, families), nearest: ack.nearest };
  if (warning !== null) {
    const { nearest } = warning;
    const known = nearest.length > 0 ? " Nearest:" : "";
    return { words: `${sentence(warning.detail || warning.code)}${known}`, nearest };
  }
  if (current === null || !isUnknown(current)) return null;
  return { words: unknownWords(null, families), nearest: current.nearest };
}

/** What to say of an instruction that is not known as a whole. */
export function unknownWords(ack: Ack | null, families: readonly Family[]): string {
  const done = doneWords(ack, families);
  return done === ""
    ? "The model was taught nothing like this. Nearest:"
    : `Only half of this is done: ${done}. The rest is unlike anything the model was taught. What it knows:`;
}
