// @vitest-environment happy-dom

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { KeptLayer, Layer } from "../src/messages/control";
import { Problem } from "../src/server/http";
import type { Preset, Presets } from "../src/server/presets";
import { byId } from "../src/view/dom";
import { PresetsView } from "../src/view/presets";
import { openPage } from "./page";

const NIGHT: Layer = { instruction_id: "i1", text: "night", strength: 1, enabled: true };

/** The server's presets, as anybody may change them. */
class Kept {
  presets: Preset[] = [{ id: "p1", name: "Dark", layers: [NIGHT] }];

  async all(): Promise<Preset[]> {
    return this.presets;
  }

  async find(id: string): Promise<Preset> {
    const found = this.presets.find((one) => one.id === id);
    if (found === undefined) throw new Problem(404, "Not Found", "there is no such preset", null);
    return found;
  }

  async save(name: string, layers: readonly KeptLayer[]): Promise<void> {
    this.presets = [...this.presets, { id: `p${name}`, name, layers }];
  }

  async change(id: string, name: string, layers: readonly KeptLayer[]): Promise<void> {
    this.presets = this.presets.map((one) => (one.id === id ? { id, name, layers } : one));
  }

  async remove(id: string): Promise<void> {
    this.presets = this.presets.filter((one) => one.id !== id);
  }
}

let kept: Kept;
let view: PresetsView;

beforeEach(async () => {
  openPage();
  kept = new Kept();
  view = new PresetsView(kept as unknown as Presets, () => {});
  view.begin();
  await vi.waitFor(() => expect(byId("preset", HTMLSelectElement).children).toHaveLength(2));
  view.show([NIGHT]);
});

function choose(id: string): void {
  byId("preset", HTMLSelectElement).value = id;
  byId("preset", HTMLSelectElement).dispatchEvent(new Event("change"));
}

/** Press one of the buttons by a key. */
function press(name: string): void {
  byId(`preset-${name}`, HTMLButtonElement).focus();
  byId(`preset-${name}`, HTMLButtonElement).click();
}

async function said(words: string): Promise<void> {
  await vi.waitFor(() =>
    expect(byId("preset-note", HTMLParagraphElement).textContent).toContain(words),
  );
}

it("has the focus on the menu when a preset is deleted by a key, and when it is brought back", async () => {
  choose("p1");
  press("remove");
  await said("Deleted “Dark”.");
  expect(document.activeElement).toBe(byId("preset", HTMLSelectElement));

  const undo = byId("preset-note", HTMLParagraphElement).querySelector("button");
  undo?.focus();
  undo?.click();
  await said("“Dark” is back.");
  expect(document.activeElement).toBe(byId("preset", HTMLSelectElement));
});

it("has the focus on the menu when the button that had it can be pressed no longer", () => {
  choose("p1");
  byId("preset-apply", HTMLButtonElement).focus();
  view.show(null);
  expect(document.activeElement).toBe(byId("preset", HTMLSelectElement));
});

it("has the focus on the menu when nothing is left to be saved by the name that was asked for", () => {
  press("save");
  expect(document.activeElement).toBe(byId("preset-name", HTMLInputElement));
  view.show(null);
  byId("preset-name", HTMLInputElement).dispatchEvent(
    new KeyboardEvent("keydown", { key: "Escape", bubbles: true }),
  );
  expect(document.activeElement).toBe(byId("preset", HTMLSelectElement));
});

describe("a preset that somebody else has changed since it was listed", () => {
  const FOG: KeptLayer = { text: "fog", strength: 0.5, enabled: false };

  beforeEach(() => {
    choose("p1");
    kept.presets = [{ id: "p1", name: "Misty", layers: [FOG] }];
  });

  function name(typed: string): void {
    byId("preset-name", HTMLInputElement).value = typed;
    byId("preset-form", HTMLFormElement).requestSubmit();
  }

  it("is renamed with its new instructions", async () => {
    press("rename");
    name("Foggy");
    await said("Renamed to “Foggy”.");
    expect(kept.presets).toEqual([{ id: "p1", name: "Foggy", layers: [FOG] }]);
  });

  it("keeps its new name when it is updated, and gets its new instructions back", async () => {
    press("update");
    await said("“Misty” is now what shows.");
    expect(kept.presets).toMatchObject([{ name: "Misty", layers: [{ text: "night" }] }]);
    byId("preset-note", HTMLParagraphElement).querySelector("button")?.click();
    await said("“Misty” is as it was.");
    expect(kept.presets).toEqual([{ id: "p1", name: "Misty", layers: [FOG] }]);
  });

  it("is deleted, and comes back, as it was then", async () => {
    press("remove");
    await said("Deleted “Misty”.");
    byId("preset-note", HTMLParagraphElement).querySelector("button")?.click();
    await said("“Misty” is back.");
    expect(kept.presets).toMatchObject([{ name: "Misty", layers: [FOG] }]);
  });

  it("is not renamed where it was deleted", async () => {
    kept.presets = [];
    press("rename");
    name("Foggy");
    await said("There is no such preset.");
    expect(kept.presets).toEqual([]);
  });
});
