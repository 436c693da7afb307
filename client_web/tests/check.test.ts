import { afterEach, expect, it, vi } from "vitest";
import { CheckView } from "../src/view/check";
import { openPage } from "./page";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("has the focus in its dialog while it runs, and when it is run again", async () => {
  const page = openPage();
  const [dialog, again] = [page.byId("check-dialog"), page.byId("check-again")];
  let finish = () => {};
  const check = vi.fn(() => new Promise<void>((resolve) => (finish = resolve)));
  const view = new CheckView(check);

  view.open();
  expect(page.activeElement).toBe(again);
  again.click();
  expect(check).toHaveBeenCalledOnce();

  finish();
  await vi.waitFor(() => expect(dialog.dataset["state"]).toBe("good"));
  again.click();
  expect(check).toHaveBeenCalledTimes(2);
  expect(page.activeElement).toBe(again);
});
