import { create } from "./dom";

export interface NoteAction {
  readonly label: string;
  readonly act: () => void;
}

/** A line that says what became of something, with a button for what can be done about it. */
export class Note {
  /** @param neighbour takes the focus where the button that has it goes */
  constructor(
    private readonly line: HTMLElement,
    private readonly neighbour: HTMLElement,
  ) {}

  say(words: string, action?: NoteAction): void {
    if (this.line.contains(document.activeElement)) this.neighbour.focus();
    this.line.hidden = words === "";
    this.line.replaceChildren(words);
    if (action === undefined) return;
    const button = create("button", { type: "button", class: "plain" }, action.label);
    button.addEventListener("click", action.act);
    this.line.append(" ", button);
  }
}
