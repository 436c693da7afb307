import { expect, it } from "vitest";
import { percentile, RecentSamples } from "../../src/rtc/percentiles";

it("interpolates between neighbours as numpy does", () => {
  expect(percentile([1, 2, 3, 4], 0.5)).toBe(2.5);
  expect(percentile([10, 20, 30], 0.95)).toBeCloseTo(29);
  expect(percentile([7], 0.95)).toBe(7);
});

it("has no percentile of nothing", () => {
  expect(() => percentile([], 0.5)).toThrow(RangeError);
  expect(new RecentSamples(1000).percentiles(0)).toBeNull();
});

it("forgets what is older than its window", () => {
  const samples = new RecentSamples(1000);
  samples.add(500, 0);
  samples.add(10, 900);
  samples.add(20, 1100);
  expect(samples.percentiles(1100)).toEqual({ p50: 15, p95: 19.5 });
  expect(samples.count(1950)).toBe(1);
  expect(samples.percentiles(5000)).toBeNull();
});

it("keeps at most its limit", () => {
  const samples = new RecentSamples(1000, 3);
  for (let value = 0; value < 10; value++) samples.add(value, value);
  expect(samples.count(10)).toBe(3);
});
