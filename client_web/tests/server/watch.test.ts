import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Api, Model, NotReady } from "../../src/server/api";
import { ServerWatch } from "../../src/server/watch";

const shown = vi.fn();

const NIGHT = { name: "night", label: "Night", examples: ["make it night"] };
const WARMING: NotReady = { warming: true, detail: "the model is loading" };

beforeEach(() => {
  shown.mockClear();
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

function watched(visited: boolean, until = WARMING) {
  let warm = false;
  const learned: (readonly Model[])[] = [];
  const model = (): Model => ({
    ...{
      name: "rfdm-tiny",
      version: null,
      device: null,
      compiler: null,
      precision: null,
      steps: null,
    },
    loaded: warm,
    families: warm ? [NIGHT] : [],
  });
  const api = {
    notReady: async () => (warm ? null : until),
    models: async () => [model()],
  } as unknown as Api;
  const watch = new ServerWatch(api, {
    show: shown,
    visited: () => visited,
    learn: (models) => learned.push(models),
    askForToken: () => {},
  });
  const warmUp = () => {
    warm = true;
  };
  return { watch, learned, warmUp };
}

it.each([false, true])(
  "learns what a model was taught once it is warm, with a visit under way: %s",
  async (visited) => {
    const { watch, learned, warmUp } = watched(visited);
    await watch.check();
    await vi.advanceTimersByTimeAsync(4_000);
    expect(learned.map((models) => models[0]?.families)).toEqual([[]]);
    warmUp();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(learned.at(-1)?.[0]?.families).toEqual([NIGHT]);
    expect(vi.getTimerCount()).toBe(0);
  },
);

it("leaves the words to a visit that is under way", async () => {
  const visit = watched(true);
  await visit.watch.check();
  expect(shown).not.toHaveBeenCalled();
  const start = watched(false);
  await start.watch.check();
  expect(shown).toHaveBeenCalledWith({ kind: "warming" });
});

it("says that the model was not loaded, and goes on asking", async () => {
  const { watch } = watched(false, { warming: false, detail: "the disk is gone" });
  await watch.check();
  expect(shown).toHaveBeenCalledWith({ kind: "model-failed" });
  expect(vi.getTimerCount()).toBe(1);
});
