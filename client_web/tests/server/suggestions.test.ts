import { expect, it } from "vitest";
import { suggest, tour } from "../../src/server/suggestions";

const FAMILIES = [
  { name: "unchanged", label: "Unchanged", examples: ["leave it as it is"] },
  {
    name: "pencil_sketch",
    label: "Pencil sketch",
    examples: ["turn it into a pencil sketch", "draw it in graphite"],
  },
  { name: "night", label: "Night", examples: ["make it night", "turn day into night"] },
  { name: "empty", label: "Empty", examples: [] },
];

const texts = (typed: string) => suggest(FAMILIES, typed).map(({ text }) => text);

it("offers one example of each family before anything is typed", () => {
  expect(tour(FAMILIES).map(({ text }) => text)).toEqual([
    "leave it as it is",
    "turn it into a pencil sketch",
    "make it night",
  ]);
  expect(texts("  ")).toHaveLength(3);
});

it("asks every typed word to begin a word of the example or its label", () => {
  expect(texts("turn nig")).toEqual(["turn day into night"]);
  expect(texts("sketch")).toEqual(["turn it into a pencil sketch", "draw it in graphite"]);
  expect(texts("turn zebra")).toEqual([]);
});

it("puts what begins as typed first", () => {
  expect(texts("make it")[0]).toBe("make it night");
});

it("ignores case and punctuation", () => {
  expect(texts("MAKE it, NIGHT!")).toEqual(["make it night"]);
});

it("keeps to its limit", () => {
  expect(suggest(FAMILIES, "it", 2)).toHaveLength(2);
});
