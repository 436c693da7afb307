import { beforeEach, expect, it, vi } from "vitest";
import type { ControlRequest } from "../../src/messages/control";
import { Refused } from "../../src/rtc/control";
import type { Peer } from "../../src/rtc/peer";
import type { Api } from "../../src/server/api";
import type { Source } from "../../src/sources/camera";
import type { Link } from "../../src/visit/link";
import { Visit } from "../../src/visit/visit";

const connect = vi.hoisted(() => vi.fn());
vi.mock("../../src/rtc/peer", async (original) => ({ ...(await original<object>()), connect }));

beforeEach(() => {
  connect.mockReset();
});

/** A server with a place for everyone. */
const api = {
  notReady: async () => null,
  openSession: async () => ({ id: "s1" }),
  closeSession: async () => {},
} as unknown as Api;

function source(label: string): Source {
  return { label, track: { label }, close: () => {} } as unknown as Source;
}

function visiting(video = {} as HTMLVideoElement): Visit {
  return new Visit(api, video, source("first"), null, () => {});
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

it("takes its picture away when it ends", () => {
  const video = { srcObject: {} } as HTMLVideoElement;
  visiting(video).end();
  expect(video.srcObject).toBeNull();
});

it("sends the newest source, whatever was chosen while the connection was being made", async () => {
  const sent: string[] = [];
  const close = vi.fn();
  const visit = visiting();
  const replaceTrack = async ({ label }: MediaStreamTrack) => {
    sent.push(label);
    if (label === "second") await visit.replaceSource(source("third"));
    if (label === "third") visit.end();
  };
  connect.mockImplementation(async () => {
    await visit.replaceSource(source("second"));
    return { sender: { replaceTrack }, connection: { close } } as unknown as Peer;
  });

  await visit.run();

  expect(sent).toEqual(["second", "third"]);
  // It was over before anything was shown: nobody else closes this connection.
  expect(close).toHaveBeenCalled();
});

it("freezes nothing before there is a picture", () => {
  const told: ControlRequest[] = [];
  const visit = visiting();
  linked(visit, async (request) => told.push(request));

  visit.setFrozen(true);
  expect(told).toEqual([]);
  expect(visit.wanted.frozen).toBe(true);

  visit.pictured = true;
  visit.setFrozen(false);
  visit.setFrozen(true);
  expect(told.map((request) => request.type === "freeze" && request.frozen)).toEqual([false, true]);
});
