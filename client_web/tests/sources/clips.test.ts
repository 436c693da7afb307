import { afterEach, expect, it, vi } from "vitest";
import { fitted, handHeldView, openDemo } from "../../src/sources/clips";
import { describe } from "../../src/troubles";

afterEach(() => {
  vi.unstubAllGlobals();
});

it("scales a clip down to fit, keeps its shape and even sides", () => {
  const box = { width: 640, height: 480 };
  expect(fitted({ width: 1920, height: 1080 }, box)).toEqual({ width: 640, height: 360 });
  expect(fitted({ width: 1080, height: 1920 }, box)).toEqual({ width: 270, height: 480 });
  expect(fitted({ width: 321, height: 241 }, box)).toEqual({ width: 320, height: 240 });
});

it("moves the demo camera in every frame, but never far", () => {
  for (let frame = 0; frame < 600; frame++) {
    const now = handHeldView(frame / 30);
    const next = handHeldView((frame + 1) / 30);
    const moved = Math.hypot(next.x - now.x, next.y - now.y, next.width - now.width);
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(0.01);
    expect(now.width).toBeLessThan(0.9);
  }
});

it("says that the demo clip's photograph does not come", async () => {
  const canvas = { getContext: () => ({}) };
  vi.stubGlobal("document", { baseURI: "http://localhost/", createElement: () => canvas });
  vi.stubGlobal(
    "Image",
    class {
      decode = () => Promise.reject(new DOMException("cannot be decoded", "EncodingError"));
    },
  );
  const opened = openDemo({ width: 640, height: 480 });
  await expect(opened).rejects.toMatchObject({ kind: "demo-missing" });
  expect(describe("demo-missing").remedies).toContain("demo");
});
