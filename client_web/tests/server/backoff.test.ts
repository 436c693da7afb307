import { expect, it } from "vitest";
import { Backoff } from "../../src/server/backoff";

it("doubles up to its limit", () => {
  const backoff = new Backoff(500, 4000, () => 1);
  expect([1, 2, 3, 4, 5].map(() => backoff.next())).toEqual([500, 1000, 2000, 4000, 4000]);
});

it("spreads downwards by at most a quarter", () => {
  expect(new Backoff(1000, 4000, () => 0).next()).toBe(750);
});

it("never comes back before the server asked", () => {
  expect(new Backoff(500, 4000, () => 1).next(5000)).toBe(5000);
});

it("begins anew after a success", () => {
  const backoff = new Backoff(500, 4000, () => 1);
  backoff.next();
  backoff.next();
  backoff.reset();
  expect(backoff.attempts).toBe(0);
  expect(backoff.next()).toBe(500);
});
