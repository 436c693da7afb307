import { describe, expect, it } from "vitest";
import { roundTop, sparkPath } from "../src/view/charts";
import { buildShare, buildTitle, buildWords } from "../src/view/engine";
import * as format from "../src/view/format";
import { codecWords, pathWords } from "../src/view/traffic";
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

  it("names first where most were dropped, in words of the frame's way", () => {
    expect(format.drops({ inbox: 3, decode: 0, frozen: 1, out_of_order: 12 })).toBe(
      "12 out of order, 3 before the edit, 1 while frozen",
    );
  });

  it("gives a unit to what was measured", () => {
    expect(format.withUnit(format.pair({ p50: 17.6, p95: 24.1 }), "ms")).toBe("18 / 24 ms");
    expect(format.withUnit(format.pair(null), "ms")).toBe("–");
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

it("counts down in whole seconds", () => {
  expect(countdownWords(3_400, 1_000)).toBe("Trying again in 3 s");
  expect(countdownWords(1_000, 1_000)).toBe("Trying now…");
  expect(countdownWords(null, 0)).toBe("Trying now…");
});

describe("what works behind the frames", () => {
  const build = {
    compiler: "tensorrt",
    size: [512, 512] as const,
    phase: "timing kernels",
    progress: 0.426,
    elapsed_s: 31,
    remaining_s: 41.6,
    failure: null,
  };

  it("is told with its progress, its estimate and what edits meanwhile", () => {
    expect(buildTitle(build)).toBe("Building tensorrt for 512 × 512 · 42 %");
    expect(buildWords(build, "eager")).toBe(
      "Timing kernels, about 42 s left. eager edits meanwhile.",
    );
    expect(buildWords({ ...build, remaining_s: null }, null)).toBe("Timing kernels, for 31 s now.");
  });

  it("is measured by the time it should take where it tells nothing itself", () => {
    const silent = { ...build, phase: "compiling", progress: 0, elapsed_s: 30, remaining_s: 90 };
    expect(buildTitle(silent)).toBe("Building tensorrt for 512 × 512 · 25 %");
    expect(buildShare({ ...silent, elapsed_s: 130, remaining_s: 0 })).toBe(1);
    expect(buildWords({ ...silent, elapsed_s: 130, remaining_s: 0 }, null)).toBe(
      "Compiling, about to be ready.",
    );
    const unknown = { ...silent, remaining_s: null };
    expect(buildShare(unknown)).toBeNull();
    expect(buildTitle(unknown)).toBe("Building tensorrt for 512 × 512");
    expect(buildWords({ ...unknown, elapsed_s: 0 }, "eager")).toBe(
      "Compiling. eager edits meanwhile.",
    );
  });

  it("says why it failed", () => {
    const failed = { ...build, failure: "out of memory" };
    expect(buildTitle(failed)).toBe("tensorrt for 512 × 512 could not be built");
    expect(buildWords(failed, "eager")).toBe("Out of memory. eager goes on editing.");
  });

  it("names hardware by whose it is, and the way there", () => {
    expect(codecWords("h264_nvenc")).toBe("h264_nvenc · NVIDIA hardware");
    expect(codecWords("libx264")).toBe("libx264 · software");
    expect(codecWords(null)).toBe("–");
    expect(pathWords({ relayed: true, protocol: "TCP", roundTripMs: 31.2 })).toBe(
      "relayed by TURN · TCP · 31 ms round trip",
    );
    expect(pathWords({ relayed: false, protocol: null, roundTripMs: null })).toBe("direct");
  });

  it("gives bit rates and durations as exactly as they are of use", () => {
    expect([350_400, 996_000, 2_460_000, 12_300_000].map(format.bitrate)).toEqual([
      "350 kbit/s",
      "1.0 Mbit/s",
      "2.5 Mbit/s",
      "12 Mbit/s",
    ]);
    expect([0.4, 89, 119.4, 119.6, 200].map(format.duration)).toEqual([
      "0 s",
      "89 s",
      "119 s",
      "2 min",
      "3 min",
    ]);
  });
});
