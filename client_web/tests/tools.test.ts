// @vitest-environment happy-dom

import { beforeEach, expect, it, vi } from "vitest";
import type { ControlRequest, Edits } from "../src/messages/control";
import { byId } from "../src/view/dom";
import { Tools } from "../src/view/tools";
import type { Stay } from "../src/visit/stay";
import { Wanted } from "../src/visit/wanted";
import { openPage } from "./page";

const EDITS: Edits = {
  type: "edits",
  layers: [{ instruction_id: "i1", text: "night", strength: 1, enabled: true }],
  can_undo: true,
  can_redo: false,
  bypassed: false,
  frozen: false,
};

let wanted: Wanted;
let tools: Tools;
const tell = vi.fn(async (_: ControlRequest) => true);

beforeEach(() => {
  tell.mockReset().mockResolvedValue(true);
  openPage();
  wanted = new Wanted();
  tools = new Tools({ tell, setStrength: () => {}, setFrozen: () => {} });
  hear(EDITS);
});

/** The session tells how it stands. */
function hear(edits: Edits): void {
  wanted.hear(edits);
  tools.show({ wanted } as Stay);
}

it("leaves the focus on Undo when there is nothing left to undo, and asks for nothing there", () => {
  const undo = byId("undo", HTMLButtonElement);
  undo.focus();
  undo.click();
  hear({ ...EDITS, layers: [], can_undo: false, can_redo: true });
  expect(document.activeElement).toBe(undo);
  expect(undo.getAttribute("aria-disabled")).toBe("true");

  undo.click();
  expect(tell.mock.calls).toEqual([[{ type: "undo" }]]);
});

it("leaves the focus on Bypass when the connection is lost, and asks for nothing there", () => {
  const bypass = byId("bypass", HTMLButtonElement);
  bypass.focus();
  wanted.lose();
  tools.show({ wanted } as Stay);
  expect(document.activeElement).toBe(bypass);
  bypass.click();
  expect(tell).not.toHaveBeenCalled();
});

function askedOfBypass(): unknown[] {
  return tell.mock.calls.map(([request]) => request.type === "bypass" && request.bypassed);
}

it("bypasses and shows the edit again where it is pressed twice before either is heard of", () => {
  const bypass = byId("bypass", HTMLButtonElement);
  bypass.click();
  // Drawn anew meanwhile, with nothing heard.
  tools.show({ wanted } as Stay);
  bypass.click();
  tools.show({ wanted } as Stay);
  expect(askedOfBypass()).toEqual([true, false]);

  hear({ ...EDITS, bypassed: true });
  hear({ ...EDITS, bypassed: false });
  // Somebody else bypasses.
  hear({ ...EDITS, bypassed: true });
  bypass.click();
  expect(askedOfBypass()).toEqual([true, false, false]);
});

it("asks to bypass once more where that was refused", async () => {
  tell.mockResolvedValue(false);
  byId("bypass", HTMLButtonElement).click();
  await Promise.resolve();
  await Promise.resolve();
  byId("bypass", HTMLButtonElement).click();
  expect(askedOfBypass()).toEqual([true, true]);
});
