import type { Layer } from "../messages/control";
import { Problem, Unreachable } from "../server/http";
import { objectionToFile, type Preset, type Presets } from "../server/presets";
import { byId, create } from "./dom";
import { capital } from "./format";
import { Naming } from "./naming";
import { Note } from "./note";

/**
 * The presets' menu: follow one, keep what shows as one, change them, carry them elsewhere.
 *
 * They are everybody's: what is changed of one is changed as it is kept now, and not as it was listed.
 */
export class PresetsView {
  private readonly menu = byId("preset", HTMLSelectElement);
  private readonly file = byId("preset-file", HTMLInputElement);
  private readonly naming = new Naming(this.menu);
  private readonly note = new Note(byId("preset-note", HTMLParagraphElement), this.menu);
  private presets: readonly Preset[] = [];
  private layers: readonly Layer[] = [];
  private live = false;
  /** Whether the server has still to say which there are. */
  private unknown = true;

  constructor(
    private readonly kept: Presets,
    follow: (presetId: string) => void,
  ) {
    this.menu.addEventListener("change", () => this.settle());
    this.onClick("apply", () => {
      this.note.say("");
      follow(this.menu.value);
    });
    this.onClick("save", (button) => {
      this.naming.ask(button, "Save", "", (name) => this.save(name));
    });
    this.onClick("update", () => this.withChosen((preset) => this.update(preset)));
    this.onClick("rename", (button) => {
      const preset = this.chosen;
      if (preset === null) return;
      this.naming.ask(button, "Rename", preset.name, (name) => this.rename(preset, name));
    });
    this.onClick("remove", () => this.withChosen((preset) => this.remove(preset)));
    this.onClick("export", () => {
      this.attempt(async () => download(await this.kept.exported()));
    });
    this.onClick("import", () => this.file.click());
    this.file.addEventListener("change", () => this.takeFile());
    this.settle();
  }

  /** Ask the server which there are. */
  begin(): void {
    this.naming.close();
    this.attempt(() => this.load(""));
  }

  /** @param layers what shows; null without a connection */
  show(layers: readonly Layer[] | null): void {
    const came = !this.live && layers !== null;
    this.live = layers !== null;
    if (came && this.unknown) this.attempt(() => this.load(""));
    this.layers = layers ?? [];
    this.settle();
  }

  private get chosen(): Preset | null {
    return this.presets.find(({ id }) => id === this.menu.value) ?? null;
  }

  private save(name: string): void {
    const { layers } = this;
    this.attempt(async () => {
      const taken = this.presets.find((preset) => sameName(preset.name, name));
      if (taken !== undefined) {
        this.note.say(`There is a preset “${taken.name}” already.`, {
          label: "Replace it",
          act: () => this.update(taken),
        });
        return;
      }
      await this.kept.save(name, layers);
      await this.load(name);
      this.note.say(`Saved as “${name}”.`);
    });
  }

  private update({ id }: Preset): void {
    const { layers } = this;
    this.attempt(async () => {
      const { name, layers: before } = await this.kept.find(id);
      await this.kept.change(id, name, layers);
      await this.load(name);
      this.note.say(`“${name}” is now what shows.`, {
        label: "Undo",
        act: () =>
          this.attempt(async () => {
            await this.kept.change(id, name, before);
            await this.load(name);
            this.note.say(`“${name}” is as it was.`);
          }),
      });
    });
  }

  private rename({ id }: Preset, name: string): void {
    this.attempt(async () => {
      const { layers } = await this.kept.find(id);
      await this.kept.change(id, name, layers);
      await this.load(name);
      this.note.say(`Renamed to “${name}”.`);
    });
  }

  private remove({ id }: Preset): void {
    this.attempt(async () => {
      const { name, layers } = await this.kept.find(id);
      await this.kept.remove(id);
      await this.load("");
      this.note.say(`Deleted “${name}”.`, {
        label: "Undo",
        act: () =>
          this.attempt(async () => {
            await this.kept.save(name, layers);
            await this.load(name);
            this.note.say(`“${name}” is back.`);
          }),
      });
    });
  }

  private takeFile(): void {
    const file = this.file.files?.[0];
    // The same file can be chosen again.
    this.file.value = "";
    if (file === undefined) return;
    this.attempt(async () => {
      const content = await file.text();
      const objection = objectionToFile(content);
      if (objection === null) await this.takeIn(file.name, content, "keep");
      else this.note.say(`“${file.name}” was not imported: ${objection}.`);
    }, `“${file.name}” was not imported: `);
  }

  private async takeIn(file: string, content: string, existing: "keep" | "replace"): Promise<void> {
    const { added, replaced, kept } = await this.kept.takeIn(content, existing);
    await this.load(this.chosen?.name ?? "");
    const parts = [
      ...(added > 0 ? [`${added} new`] : []),
      ...(replaced > 0 ? [`${replaced} replaced`] : []),
      ...(kept > 0
        ? [`${kept} left alone, as ${kept === 1 ? "its name is" : "their names are"} taken`]
        : []),
    ];
    const words = `Imported “${file}”: ${parts.length > 0 ? parts.join(", ") : "it is empty"}.`;
    if (kept === 0) {
      this.note.say(words);
      return;
    }
    this.note.say(words, {
      label: kept === 1 ? "Replace it" : "Replace them",
      act: () => this.attempt(() => this.takeIn(file, content, "replace")),
    });
  }

  private async load(chosen: string): Promise<void> {
    this.presets = await this.kept.all();
    this.unknown = false;
    this.menu.replaceChildren(
      create("option", { value: "" }, this.presets.length === 0 ? "None saved yet" : "Choose…"),
      ...this.presets.map(({ id, name }) => create("option", { value: id }, name)),
    );
    this.menu.value = this.presets.find(({ name }) => name === chosen)?.id ?? "";
    this.settle();
  }

  /** Only what can be done can be pressed. */
  private settle(): void {
    const none = this.chosen === null;
    const empty = this.layers.length === 0;
    const disabled = {
      apply: none || !this.live,
      save: empty,
      update: none || empty,
      rename: none,
      remove: none,
      export: this.presets.length === 0,
    };
    for (const [name, off] of Object.entries(disabled)) {
      // A disabled button has no focus.
      if (off && document.activeElement === button(name)) this.menu.focus();
      button(name).disabled = off;
    }
  }

  private withChosen(act: (preset: Preset) => void): void {
    if (this.chosen !== null) act(this.chosen);
  }

  private onClick(name: string, act: (pressed: HTMLButtonElement) => void): void {
    button(name).addEventListener("click", () => act(button(name)));
  }

  /** @param failed begins what is said where the server refuses */
  private attempt(work: () => Promise<void>, failed = ""): void {
    this.note.say("");
    work().catch((error: unknown) => {
      if (error instanceof Unreachable) this.note.say(`${failed}The server does not answer.`);
      else if (error instanceof Problem) {
        const words = error.detail || error.title;
        this.note.say(`${failed}${failed === "" ? capital(words) : words}.`);
      } else throw error;
    });
  }
}

function button(name: string): HTMLButtonElement {
  return byId(`preset-${name}`, HTMLButtonElement);
}

/** The server takes names for the same in whatever case. */
function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function download(file: Blob): void {
  const address = URL.createObjectURL(file);
  create("a", { href: address, download: "afterimage-presets.json" }).click();
  // The click has begun the download; the address is needed until the browser has opened it.
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
