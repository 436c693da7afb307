import { afterEach, expect, it, vi } from "vitest";
import { recall, remember } from "../src/remembered";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it("brings back what was kept", () => {
  const kept = new Map<string, string>();
  vi.stubGlobal("localStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
  });
  expect(recall("localStorage", "overlay")).toBeNull();
  remember("localStorage", "overlay", "1");
  expect(recall("localStorage", "overlay")).toBe("1");
});

it("does without where the browser keeps nothing of a site", () => {
  const blocked = () => {
    throw new DOMException("Access is denied for this document.", "SecurityError");
  };
  // For a Node that has none.
  vi.stubGlobal("sessionStorage", undefined);
  vi.spyOn(globalThis, "sessionStorage", "get").mockImplementation(blocked);
  remember("sessionStorage", "token", "secret");
  expect(recall("sessionStorage", "token")).toBeNull();
});
