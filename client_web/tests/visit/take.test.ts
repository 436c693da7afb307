import { expect, it } from "vitest";
import type { Recording } from "../../src/messages/control";
import { Api, type SessionAddress } from "../../src/server/api";
import { Http } from "../../src/server/http";
import { clock, recordedWords } from "../../src/view/recording";
import { Take } from "../../src/visit/take";

const BEGUN: Recording = {
  type: "recording",
  id: "r1",
  state: "recording",
  reason: null,
  duration_s: 0,
  files: ["instructions.jsonl"],
};
const SESSION = { token: "t" } as SessionAddress;

function take(): Take {
  return new Take(new Api(new Http(new URL("http://localhost/"), null)));
}

it("says what became of a recording whose connection was lost, and where it is", () => {
  const taken = take();
  taken.hear(BEGUN, SESSION);
  taken.lose(SESSION);
  expect(taken.since).toBeNull();
  expect(taken.recording && recordedWords(taken.recording)).toBe(
    "Recorded. It ended early: the connection was lost.",
  );
  expect(taken.files.map(({ url }) => url.href)).toEqual([
    "http://localhost/v1/recordings/r1/files/edited.mp4?token=t",
    "http://localhost/v1/recordings/r1/files/instructions.jsonl?token=t",
  ]);
});

it("keeps what is said of one that had ended before", () => {
  const taken = take();
  const ended: Recording = { ...BEGUN, state: "ended", reason: "stopped", duration_s: 2.5 };
  taken.hear(ended, SESSION);
  taken.lose(SESSION);
  expect(taken.recording).toEqual(ended);
  expect(recordedWords(ended)).toBe("Recorded 2.5 s.");
  expect(taken.files).toHaveLength(1);
});

it("names the files of a recording that the visitor's leaving ends", () => {
  const taken = take();
  taken.hear(BEGUN, SESSION);
  taken.leave(SESSION);
  expect(taken.since).toBeNull();
  expect(taken.recording && recordedWords(taken.recording)).toBe("Recorded.");
  expect(taken.files.map(({ name }) => name)).toEqual(["edited.mp4", "instructions.jsonl"]);
});

it("says that a recording goes on from which only this page is cut off, and where it will be", () => {
  const taken = take();
  taken.hear(BEGUN, SESSION);
  taken.cutOff(SESSION);
  expect(taken.since).toBeNull();
  expect(taken.recording && recordedWords(taken.recording)).toContain("goes on without this page");
  expect(taken.files.map(({ name }) => name)).toEqual(["edited.mp4", "instructions.jsonl"]);

  taken.hear({ ...BEGUN, duration_s: 65 }, SESSION);
  expect(taken.since).not.toBeNull();
  expect(taken.files).toEqual([]);
});

it("counts the time that a recording had run before anybody here heard of it", () => {
  const taken = take();
  taken.hear({ ...BEGUN, duration_s: 65 }, SESSION);
  expect(clock(performance.now() - (taken.since ?? 0))).toBe("1:05");
});

it("offers the original of a recording that was left, where it was asked for", () => {
  const taken = take();
  taken.toggle(true);
  taken.hear(BEGUN, SESSION);
  taken.leave(SESSION);
  expect(taken.files.map(({ name }) => name)).toContain("original.mp4");
});

it("asks for the opposite of what was asked last, until that is heard of or cannot be any more", () => {
  const taken = take();
  const asked = () => taken.toggle(false).type;
  expect([asked(), asked()]).toEqual(["record", "stop_recording"]);
  taken.hear(BEGUN, SESSION);
  taken.hear({ ...BEGUN, state: "ended" }, SESSION);
  expect(asked()).toBe("record");
  taken.hear(BEGUN, SESSION);
  expect(asked()).toBe("stop_recording");

  taken.lose(SESSION);
  expect(asked()).toBe("record");
  taken.lose(SESSION);
  expect(asked()).toBe("record");
});
