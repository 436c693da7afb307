import { byId, write } from "./dom";

/** Asks for a name in a line of the page; Escape gives up. */
export class Naming {
  private readonly form = byId("preset-form", HTMLFormElement);
  private readonly field = byId("preset-name", HTMLInputElement);
  private asker: HTMLButtonElement | null = null;
  private take: (name: string) => void = () => {};

  /** @param neighbour takes the focus where the button that was pressed cannot */
  constructor(private readonly neighbour: HTMLElement) {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.field.value.trim();
      if (name === "") return;
      this.close();
      this.take(name);
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.close();
    });
  }

  /**
   * Ask, or no longer where `asker` has asked already.
   *
   * @param asker the button that was pressed; it gets the focus back
   */
  ask(asker: HTMLButtonElement, verb: string, name: string, take: (name: string) => void): void {
    if (!this.form.hidden && this.asker === asker) {
      this.close();
      return;
    }
    this.asker?.setAttribute("aria-expanded", "false");
    this.asker = asker;
    this.take = take;
    asker.setAttribute("aria-expanded", "true");
    write(byId("preset-keep", HTMLButtonElement), verb);
    this.form.hidden = false;
    this.field.value = name;
    this.field.select();
    this.field.focus();
  }

  close(): void {
    if (this.form.hidden) return;
    this.form.hidden = true;
    this.asker?.setAttribute("aria-expanded", "false");
    const back = this.asker?.disabled ? this.neighbour : this.asker;
    back?.focus();
  }
}
