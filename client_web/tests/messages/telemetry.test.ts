import { expect, it } from "vitest";
import { parseTelemetry } from "../../src/messages/telemetry";

it("reads frame origins and leaves out broken ones", () => {
  const raw = JSON.stringify({
    v: 1,
    type: "frames",
    frames: [
      { out_rtp: 9000, in_rtp: 3000, capture_ms: 1_700_000_000_000.5 },
      { out_rtp: 12_000, in_rtp: 6000, capture_ms: null },
      { in_rtp: 1 },
      null,
    ],
  });
  expect(parseTelemetry(raw)).toEqual({
    type: "frames",
    frames: [
      { out_rtp: 9000, in_rtp: 3000, capture_ms: 1_700_000_000_000.5 },
      { out_rtp: 12_000, in_rtp: 6000, capture_ms: null },
    ],
  });
});
