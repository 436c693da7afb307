import { expect, it } from "vitest";
import { clock } from "../src/view/recording";

it("tells how long a recording goes on", () => {
  expect(["0:00", "0:59", "1:00", "61:05"]).toEqual([0, 59_999, 60_000, 3_665_000].map(clock));
});
