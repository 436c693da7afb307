// @vitest-environment happy-dom

import { beforeEach, expect, it, vi } from "vitest";
import type { ControlRequest, Layer } from "../src/messages/control";
import { byId } from "../src/view/dom";
import { StackView } from "../src/view/stack";
import { openPage } from "./page";

let stack: StackView;
const tell = vi.fn(async (_: ControlRequest) => true);

beforeEach(() => {
  tell.mockClear();
  openPage();
  stack = new StackView(tell);
});

/** The session has these instructions on its stack, the first applied first. */
function show(...texts: string[]): void {
  const layers: Layer[] = texts.map((text) => ({
    instruction_id: `id of ${text}`,
    text,
    strength: 1,
    enabled: true,
  }));
  const state = { can_undo: true, can_redo: false, bypassed: false, frozen: false };
  stack.show({ edits: { type: "edits", layers, ...state }, kept: layers });
}

/** Press a part of a layer's row by a key. */
function press(text: string, does: "up" | "remove"): void {
  const row = `[data-id="id of ${text}"]`;
  const stack = byId("stack", HTMLOListElement);
  const button = stack.querySelector<HTMLButtonElement>(`${row} [data-does=${does}]`);
  button?.focus();
  button?.click();
}

/** Which layer's row has the focus, and which part of it. */
function focus(): [string | undefined, string | undefined] {
  const element = document.activeElement as HTMLElement;
  return [element.closest("li")?.dataset["id"], element.dataset["does"]];
}

it("has the focus on the next layer when one is removed by a key, at the end on the one before", () => {
  show("night", "rain", "fog");
  press("rain", "remove");
  expect(tell).toHaveBeenCalledWith({ type: "remove", instruction_id: "id of rain" });
  show("night", "fog");
  expect(focus()).toEqual(["id of night", "remove"]);

  press("night", "remove");
  show("fog");
  expect(focus()).toEqual(["id of fog", "remove"]);
});

it("has the focus where the next instruction is typed when the last layer is removed", () => {
  show("night");
  press("night", "remove");
  show();
  expect(document.activeElement).toBe(byId("instruction", HTMLInputElement));
});

it("has the focus on the layer that was moved to the top, where nothing moves it further", () => {
  show("night", "rain", "fog");
  press("night", "up");
  show("rain", "night", "fog");
  expect(focus()).toEqual(["id of night", "up"]);
  press("night", "up");
  show("rain", "fog", "night");
  expect(focus()).toEqual(["id of night", "switch"]);
});

it("takes the focus from nowhere else", () => {
  show("night");
  byId("strength", HTMLInputElement).focus();
  show("night", "rain");
  show();
  expect(document.activeElement).toBe(byId("strength", HTMLInputElement));
});
