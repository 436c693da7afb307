import { expect, it } from "vitest";
import { Instructions, objection } from "../../src/visit/instructions";

it("objects to an empty and to an endless instruction before sending it", () => {
  expect(objection("  ")).not.toBeNull();
  expect(objection("x".repeat(501))).toContain("501");
  expect(objection("x".repeat(500))).toBeNull();
  expect(objection("make it night")).toBeNull();
});

it("keeps for the next connection only what that is told", () => {
  const instructions = new Instructions(() => {});
  const said = ["night", "rain", "fog", "gibberish", "sepia"].map((text) =>
    instructions.add(text, "top", 1),
  );
  const [night, rain, fog, gibberish, sepia] = said;
  for (const entry of said) entry.status = "applied";
  if (fog) fog.status = "accepted";
  if (gibberish) gibberish.status = "refused";

  // Rain, fog and sepia were undone, one of them before its first frame.
  instructions.lose([{ text: "night", strength: 1, enabled: true }]);

  expect([night, rain, fog, gibberish, sepia].map((entry) => entry?.status)).toEqual([
    "queued",
    "applied",
    "replaced",
    "refused",
    "applied",
  ]);
});
