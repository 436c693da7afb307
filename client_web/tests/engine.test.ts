// @vitest-environment happy-dom

import { expect, it } from "vitest";
import type { Stats } from "../src/messages/stats";
import { byId } from "../src/view/dom";
import { EngineView } from "../src/view/engine";
import { openPage } from "./page";

function runs(compiler: string): Stats {
  return { compiler, frames: { edited: 1 }, build: null, steps: null } as Stats;
}

/** What a live region reads out: its words, where they have changed since it was asked last. */
function listenTo(region: Element): () => string[] {
  const changes = new MutationObserver(() => {});
  changes.observe(region, { characterData: true, childList: true, subtree: true });
  return () => (changes.takeRecords().length === 0 ? [] : [region.textContent]);
}

it("reads out once that another compiler took over, and shows how long ago", () => {
  openPage();
  const view = new EngineView();
  const swap = byId("swap", HTMLParagraphElement);
  const panel = byId("telemetry-panel", HTMLDetailsElement);
  const regions = [...panel.querySelectorAll("[role=status]")].map(listenTo);
  const heard: string[] = [];
  for (let seconds = 0; seconds <= 31; seconds += 1) {
    view.show(runs(seconds === 0 ? "eager" : "inductor"), 1_000 * seconds);
    heard.push(...regions.flatMap((readOut) => readOut()));
  }

  expect(swap.hidden).toBe(false);
  expect(swap.textContent).toBe("inductor took over from eager 30 s ago");
  expect(heard).toEqual(["inductor took over from eager"]);

  view.show(runs("inductor"), 62_000);
  expect(swap.hidden).toBe(true);
});
