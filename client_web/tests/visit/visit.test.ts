import { expect, it, vi } from "vitest";
import type { ControlRequest } from "../../src/messages/control";
import { Refused } from "../../src/rtc/control";
import type { Api } from "../../src/server/api";
import type { Source } from "../../src/sources/camera";
import type { Link } from "../../src/visit/link";
import { Visit } from "../../src/visit/visit";

const SOURCE = { kind: "demo", close: () => {} } as unknown as Source;

function visiting(video = {} as HTMLVideoElement): Visit {
  return new Visit({} as Api, video, SOURCE, null, () => {});
}

/** A connection whose server answers as told. */
function linked(visit: Visit, answer: (request: ControlRequest) => Promise<unknown>): void {
  visit.link = { control: { ask: answer } } as unknown as Link;
}

it("says a refusal only until the next instruction", async () => {
  const visit = visiting();
  linked(visit, ({ type }) =>
    type === "record"
      ? Promise.reject(new Refused("no_space", "the disk is full"))
      : Promise.resolve({ instruction_id: "i1" }),
  );
  visit.toggleRecording(false);
  await vi.waitFor(() => expect(visit.refusal).toBe("The disk is full."));

  visit.apply("make it night");

  expect(visit.refusal).toBeNull();
});
