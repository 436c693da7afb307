import type { Place } from "../messages/control";
import { type Family, type Suggestion, suggest, tour } from "../server/suggestions";
import { create } from "./dom";

/**
 * A text box with suggestions from what the model was taught (the ARIA combobox pattern, list without autocompletion).
 *
 * Down and Up walk through the list, Enter takes what is marked or else what is typed, with Shift to lie on top of what
 * shows; Escape closes the list and then empties the box.
 */
export class InstructionBox {
  private families: readonly Family[] = [];
  private offered: readonly Suggestion[] = [];
  private marked = -1;
  /** What was put in rather than typed; it does not filter, so that opening the list shows everything. */
  private settled: string;

  constructor(
    readonly input: HTMLInputElement,
    private readonly list: HTMLElement,
    private readonly onApply: (text: string, place: Place) => void,
  ) {
    this.settled = input.value;
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-controls", list.id);
    input.setAttribute("aria-expanded", "false");
    input.addEventListener("input", () => this.open());
    input.addEventListener("click", () => this.open());
    input.addEventListener("focus", () => input.select());
    input.addEventListener("blur", () => this.close());
    input.addEventListener("keydown", (event) => this.press(event));
    // pointerdown would take the focus from the input and close the list before the click.
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const option =
        event.target instanceof Element ? event.target.closest<HTMLElement>("[role=option]") : null;
      const suggestion = this.offered[Number(option?.dataset["index"])];
      if (suggestion !== undefined) this.take(suggestion.text, "alone");
    });
  }

  offer(families: readonly Family[]): void {
    this.families = families;
    if (!this.list.hidden) this.open();
  }

  /** Take what is in the box, as Enter does. */
  submit(place: Place): void {
    this.take(this.input.value, place);
  }

  set(text: string): void {
    this.input.value = text;
    this.settled = text;
  }

  private open(): void {
    const typed = this.input.value;
    this.offered = typed === this.settled ? tour(this.families) : suggest(this.families, typed);
    this.marked = -1;
    this.list.replaceChildren(
      ...this.offered.map((suggestion, index) =>
        create(
          "div",
          {
            role: "option",
            id: `${this.list.id}-${index}`,
            "data-index": String(index),
            "aria-selected": "false",
          },
          create("span", {}, suggestion.text),
          create("small", {}, suggestion.label),
        ),
      ),
    );
    this.list.hidden = this.offered.length === 0;
    this.list.scrollTop = 0;
    this.input.setAttribute("aria-expanded", String(!this.list.hidden));
    this.input.removeAttribute("aria-activedescendant");
  }

  private close(): void {
    this.list.hidden = true;
    this.marked = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  private press(event: KeyboardEvent): void {
    if (event.isComposing) return;
    switch (event.key) {
      case "ArrowDown":
      case "ArrowUp":
        event.preventDefault();
        if (this.list.hidden) this.open();
        this.mark(event.key === "ArrowDown" ? 1 : -1);
        return;
      case "Enter":
        event.preventDefault();
        this.take(
          this.offered[this.marked]?.text ?? this.input.value,
          event.shiftKey ? "top" : "alone",
        );
        return;
      case "Escape":
        if (!this.list.hidden) this.close();
        else this.set("");
        event.stopPropagation();
        return;
    }
  }

  private mark(step: 1 | -1): void {
    const { length } = this.offered;
    if (length === 0) return;
    this.list.children[this.marked]?.setAttribute("aria-selected", "false");
    this.marked = this.marked === -1 && step === -1 ? length - 1 : this.marked + step;
    this.marked = (this.marked + length) % length;
    const option = this.list.children[this.marked];
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
  }

  private take(text: string, place: Place): void {
    this.set(text);
    this.close();
    this.onApply(text.trim(), place);
  }
}
