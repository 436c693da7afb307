// @vitest-environment happy-dom

import { expect, it, vi } from "vitest";
import { CheckView } from "../src/view/check";
import { byId } from "../src/view/dom";
import { openPage } from "./page";

it("has the focus in its dialog while it runs, and when it is run again", async () => {
  openPage();
  const [dialog, again] = [
    byId("check-dialog", HTMLDialogElement),
    byId("check-again", HTMLButtonElement),
  ];
  let finish = () => {};
  const check = vi.fn(() => new Promise<void>((resolve) => (finish = resolve)));
  const view = new CheckView(check);

  view.open();
  // A browser gives it to the first button.
  again.focus();
  expect(document.activeElement).toBe(again);
  again.click();
  expect(check).toHaveBeenCalledOnce();

  finish();
  await vi.waitFor(() => expect(dialog.dataset["state"]).toBe("good"));
  again.click();
  expect(check).toHaveBeenCalledTimes(2);
  expect(document.activeElement).toBe(again);
});
