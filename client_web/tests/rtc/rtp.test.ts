import { describe, expect, it } from "vitest";
import { atOrAfter, FrameMatcher } from "../../src/rtc/rtp";

const origin = (out_rtp: number, capture_ms: number | null) => ({ out_rtp, in_rtp: 0, capture_ms });

describe("comparing RTP timestamps", () => {
  it("orders neighbours", () => {
    expect(atOrAfter(6000, 3000)).toBe(true);
    expect(atOrAfter(3000, 3000)).toBe(true);
    expect(atOrAfter(3000, 6000)).toBe(false);
  });

  it("orders across the wrap at 32 bits", () => {
    expect(atOrAfter(1000, 4_294_966_296)).toBe(true);
    expect(atOrAfter(4_294_966_296, 1000)).toBe(false);
  });
});

describe("matching frames with their capture", () => {
  it("matches an origin that came before the picture", () => {
    const matcher = new FrameMatcher();
    expect(matcher.originate([origin(9000, 1000)])).toEqual([]);
    expect(matcher.show({ rtp: 9000, shownAtMs: 1090 })).toBe(90);
  });

  it("matches an origin that came after the picture", () => {
    const matcher = new FrameMatcher();
    expect(matcher.show({ rtp: 9000, shownAtMs: 1090 })).toBeNull();
    expect(matcher.originate([origin(9000, 1000)])).toEqual([90]);
  });

  it("counts a frame once", () => {
    const matcher = new FrameMatcher();
    matcher.originate([origin(9000, 1000)]);
    matcher.show({ rtp: 9000, shownAtMs: 1090 });
    expect(matcher.show({ rtp: 9000, shownAtMs: 1120 })).toBeNull();
  });

  it("matches across the wrap, also where one side counts as signed", () => {
    const matcher = new FrameMatcher();
    matcher.originate([origin(4_294_967_295, 1000), origin(2999, 1033)]);
    expect(matcher.show({ rtp: -1, shownAtMs: 1100 })).toBe(100);
    expect(matcher.show({ rtp: 2999, shownAtMs: 1133 })).toBe(100);
  });

  it("measures nothing before the first sender report", () => {
    const matcher = new FrameMatcher();
    matcher.originate([origin(9000, null)]);
    expect(matcher.show({ rtp: 9000, shownAtMs: 1090 })).toBeNull();
  });

  it("lets go of what waited longest", () => {
    const matcher = new FrameMatcher(2);
    matcher.originate([origin(1, 10), origin(2, 20), origin(3, 30)]);
    expect(matcher.show({ rtp: 1, shownAtMs: 100 })).toBeNull();
    expect(matcher.show({ rtp: 3, shownAtMs: 100 })).toBe(70);
  });
});
