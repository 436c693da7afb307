import { type Entry, isUnknown } from "../visit/instructions";
import { byId, create } from "./dom";
import { milliseconds } from "./format";

const STATUS: Readonly<Record<Entry["status"], string>> = {
  queued: "waiting",
  sending: "sending…",
  accepted: "on its way…",
  applied: "applied",
  refused: "refused",
  replaced: "replaced",
};

/** What one line of the history says beside the instruction. */
function entryWords(entry: Entry): string {
  if (isUnknown(entry)) return "not known";
  if (entry.status === "refused") return entry.problem ?? STATUS.refused;
  if (entry.status !== "applied" || entry.receipt === null) return STATUS[entry.status];
  return `${milliseconds(entry.receipt.elapsed_ms)} ms`;
}

/** The instructions given so far, newest first; a click brings one back. */
export class HistoryView {
  private readonly list = byId("history", HTMLOListElement);
  private readonly empty = byId("history-empty", HTMLParagraphElement);
  private shown = "";

  constructor(onReturn: (text: string) => void) {
    this.list.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("button") : null;
      const text = button?.dataset["text"];
      if (text !== undefined) onReturn(text);
    });
  }

  /** @param top the instruction that is applied last; null where nothing is */
  show(entries: readonly Entry[], top: string | null): void {
    const lines = entries.map((entry) => `${entry.text}\n${entryWords(entry)}`);
    const key = [top, ...lines].join("\n");
    if (key === this.shown) return;
    this.shown = key;
    this.empty.hidden = entries.length > 0;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    const focusedText = this.list.contains(focused) ? focused?.dataset["text"] : undefined;
    this.list.replaceChildren(
      ...entries.map((entry) =>
        create(
          "li",
          { "data-status": entry.status },
          create(
            "button",
            {
              type: "button",
              "data-text": entry.text,
              "data-testid": "history-entry",
              ...(entry.text === top ? { "aria-current": "true" } : {}),
            },
            create("span", {}, entry.text),
            create("small", {}, entryWords(entry)),
          ),
        ),
      ),
    );
    if (focusedText === undefined) return;
    for (const button of this.list.querySelectorAll("button")) {
      if (button.dataset["text"] === focusedText) button.focus();
    }
  }
}
