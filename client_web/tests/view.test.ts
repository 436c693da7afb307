import { describe, expect, it } from "vitest";
import { roundTop, sparkPath } from "../src/view/charts";
import * as format from "../src/view/format";
import { objection } from "../src/view/instruction_box";
import { countdownWords } from "../src/view/trouble";

describe("numbers in words", () => {
  it("writes a dash for what was not measured", () => {
    expect(format.milliseconds(null)).toBe("–");
    expect(format.pair(null)).toBe("–");
    expect(format.bytes(null)).toBe("–");
    expect(format.size(null)).toBe("–");
    expect(format.drops({})).toBe("–");
  });

  it("writes a measured zero as zero", () => {
    expect(format.milliseconds(0)).toBe("0.0");
    expect(format.rate(0)).toBe("0.0");
    expect(format.drops({ inbox: 0, decode: 0 })).toBe("none");
  });

  it("keeps as many digits as can be read", () => {
    expect(format.milliseconds(4.26)).toBe("4.3");
    expect(format.milliseconds(9.97)).toBe("10");
    expect(format.milliseconds(96.4)).toBe("96");
    expect(format.bytes(712 * 2 ** 20)).toBe("712 MiB");
    expect(format.bytes(3 * 2 ** 30)).toBe("3.00 GiB");
  });

  it("names the commonest reason for drops first", () => {
    expect(format.drops({ inbox: 3, decode: 0, out_of_order: 12 })).toBe(
      "12 out of order, 3 inbox",
    );
  });
});

describe("charts", () => {
  it("ends at the right edge and leaves a gap where nothing was measured", () => {
    expect(sparkPath([0, null, 10, 10], 4, 10)).toBe("M0.0 30.0M80.0 2.0L120.0 2.0");
  });

  it("scales to round numbers", () => {
    expect([3, 20, 21, 99, 120].map(roundTop)).toEqual([5, 20, 50, 100, 200]);
  });
});

it("objects to an empty and to an endless instruction before sending it", () => {
  expect(objection("  ")).not.toBeNull();
  expect(objection("x".repeat(501))).toContain("501");
  expect(objection("x".repeat(500))).toBeNull();
  expect(objection("make it night")).toBeNull();
});

it("counts down in whole seconds", () => {
  expect(countdownWords(3_400, 1_000)).toBe("Trying again in 3 s");
  expect(countdownWords(1_000, 1_000)).toBe("Trying now…");
  expect(countdownWords(null, 0)).toBe("Trying now…");
});
