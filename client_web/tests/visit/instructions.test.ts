import { expect, it } from "vitest";
import { objection } from "../../src/visit/instructions";

it("objects to an empty and to an endless instruction before sending it", () => {
  expect(objection("  ")).not.toBeNull();
  expect(objection("x".repeat(501))).toContain("501");
  expect(objection("x".repeat(500))).toBeNull();
  expect(objection("make it night")).toBeNull();
});
