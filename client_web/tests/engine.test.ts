import { afterEach, expect, it, vi } from "vitest";
import type { Stats } from "../src/messages/stats";
import { EngineView } from "../src/view/engine";
import { openPage, type PageElement } from "./page";

afterEach(() => {
  vi.unstubAllGlobals();
});

function runs(compiler: string): Stats {
  return { compiler, frames: { edited: 1 }, build: null, steps: null } as Stats;
}

/** What a live region reads out from now on: each change of its words, wherever in it. */
function readOut(region: PageElement): string[] {
  const heard: string[] = [];
  for (const element of [region, ...region.querySelectorAll("[id]")]) {
    const replaceChildren = element.replaceChildren.bind(element);
    element.replaceChildren = (...nodes) => {
      replaceChildren(...nodes);
      if (region.textContent !== "") heard.push(region.textContent);
    };
  }
  return heard;
}

it("reads out once that another compiler took over, and shows how long ago", () => {
  const page = openPage();
  const view = new EngineView();
  const swap = page.byId("swap");
  const heard = page.byId("telemetry-panel").querySelectorAll("[role=status]").map(readOut);
  view.show(runs("eager"), 0);
  view.show(runs("inductor"), 1_000);
  for (let seconds = 2; seconds <= 31; seconds += 1) view.show(runs("inductor"), 1_000 * seconds);

  expect(swap.hidden).toBe(false);
  expect(swap.textContent).toBe("inductor took over from eager 30 s ago");
  expect(heard.flat()).toEqual(["inductor took over from eager"]);

  view.show(runs("inductor"), 62_000);
  expect(swap.hidden).toBe(true);
});
