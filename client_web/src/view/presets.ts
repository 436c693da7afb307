import { Problem, Unreachable } from "../http";
import type { Layer } from "../messages/control";
import type { Presets } from "../presets";
import { byId, create } from "./dom";

/** The presets' menu: follow one, keep what shows as one, carry them elsewhere. */
export class PresetsView {
  private readonly menu = byId("preset", HTMLSelectElement);
  private readonly form = byId("preset-form", HTMLFormElement);
  private readonly name = byId("preset-name", HTMLInputElement);
  private readonly note = byId("preset-note", HTMLParagraphElement);
  private readonly file = byId("preset-file", HTMLInputElement);
  private readonly save = byId("preset-save", HTMLButtonElement);
  private readonly removal = byId("preset-remove", HTMLButtonElement);
  private layers: readonly Layer[] = [];

  constructor(
    private readonly presets: Presets,
    follow: (presetId: string) => void,
  ) {
    this.menu.addEventListener("change", () => {
      this.settle();
      if (this.menu.value !== "") follow(this.menu.value);
    });
    this.save.addEventListener("click", () => {
      this.form.hidden = !this.form.hidden;
      if (!this.form.hidden) this.name.focus();
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.keep(this.name.value.trim());
    });
    this.removal.addEventListener("click", () => {
      void this.attempt(async () => {
        await this.presets.remove(this.menu.value);
        await this.load("");
      });
    });
    byId("preset-export", HTMLButtonElement).addEventListener("click", () => {
      void this.attempt(async () => download(await this.presets.exported()));
    });
    byId("preset-import", HTMLButtonElement).addEventListener("click", () => this.file.click());
    this.file.addEventListener("change", () => void this.takeIn());
    this.settle();
  }

  /** Ask the server which there are. */
  begin(): void {
    void this.attempt(() => this.load(""));
  }

  show(layers: readonly Layer[]): void {
    this.layers = layers;
    this.save.disabled = layers.length === 0;
    if (layers.length === 0) this.form.hidden = true;
  }

  private async keep(name: string): Promise<void> {
    if (name === "") return;
    await this.attempt(async () => {
      await this.presets.save(name, this.layers);
      this.form.hidden = true;
      this.name.value = "";
      await this.load(name);
      this.say(`Saved as “${name}”.`);
    });
  }

  private async takeIn(): Promise<void> {
    const file = this.file.files?.[0];
    this.file.value = "";
    if (file === undefined) return;
    await this.attempt(async () => {
      await this.presets.takeIn(await file.text());
      await this.load("");
      this.say(`Imported ${file.name}.`);
    });
  }

  private async load(chosen: string): Promise<void> {
    const presets = await this.presets.all();
    this.menu.replaceChildren(
      create("option", { value: "" }, presets.length === 0 ? "None saved yet" : "Choose…"),
      ...presets.map(({ id, name }) => create("option", { value: id }, name)),
    );
    this.menu.value = presets.find(({ name }) => name === chosen)?.id ?? "";
    this.settle();
  }

  private settle(): void {
    this.removal.disabled = this.menu.value === "";
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    this.say("");
    try {
      await work();
    } catch (error) {
      if (error instanceof Problem) this.say(error.detail || error.title);
      else if (error instanceof Unreachable) this.say("The server does not answer.");
      else throw error;
    }
  }

  private say(words: string): void {
    this.note.textContent = words;
    this.note.hidden = words === "";
  }
}

function download(file: Blob): void {
  const address = URL.createObjectURL(file);
  create("a", { href: address, download: "afterimage-presets.json" }).click();
  // The click has begun the download; the address is needed until the browser has opened it.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
