// @vitest-environment happy-dom

import { beforeEach, expect, it } from "vitest";
import type { Recording } from "../src/messages/control";
import { Api, type SessionAddress } from "../src/server/api";
import { Http } from "../src/server/http";
import { byId } from "../src/view/dom";
import { clock, RecordedView } from "../src/view/recording";
import { Take } from "../src/visit/take";
import { openPage } from "./page";

const API = new Api(new Http(new URL("http://localhost/"), null));
const SESSION = { token: "t" } as SessionAddress;

let take: Take;
let view: RecordedView;
let last: HTMLElement;
let earlier: HTMLElement;

beforeEach(() => {
  openPage();
  take = new Take(API);
  view = new RecordedView("recorded", byId("record", HTMLButtonElement));
  last = byId("recorded", HTMLParagraphElement);
  earlier = byId("recorded-earlier", HTMLDivElement);
});

function recording(id: string, state: Recording["state"], duration_s: number): Recording {
  const reason = state === "ended" ? "stopped" : null;
  return { type: "recording", id, state, reason, duration_s, files: ["edited.mp4"] };
}

/** The session tells of a recording. */
function hear(told: Recording): void {
  take.hear(told, SESSION);
  view.show(take);
}

function addresses(element: Element): string[] {
  return [...element.querySelectorAll("a")].map(({ href }) => href);
}

it("tells how long a recording goes on", () => {
  expect(["0:00", "0:59", "1:00", "61:05"]).toEqual([0, 59_999, 60_000, 3_665_000].map(clock));
});

it("keeps the files of every recording in reach, also while the next is under way", () => {
  hear(recording("r1", "recording", 0));
  hear(recording("r1", "ended", 2.5));
  expect(last.textContent).toContain("Recorded 2.5 s.");
  expect(earlier.hidden).toBe(true);

  hear(recording("r2", "recording", 0));
  expect(last.hidden).toBe(true);
  expect(earlier.hidden).toBe(false);
  expect(earlier.textContent).toContain("Recorded 2.5 s.");

  hear(recording("r2", "ended", 4));
  hear(recording("r3", "recording", 0));
  hear(recording("r3", "ended", 1));
  const file = (id: string) => `http://localhost/v1/recordings/${id}/files/edited.mp4?token=t`;
  expect(addresses(last)).toEqual([file("r3")]);
  expect(addresses(earlier)).toEqual([file("r2"), file("r1")]);

  // An earlier session's is told of once more.
  hear(recording("r2", "ended", 4));
  expect(addresses(last)).toEqual([file("r2")]);
  expect(addresses(earlier)).toEqual([file("r3"), file("r1")]);
});

it("keeps the files of an earlier visit in reach, whether or not the later one records", () => {
  hear(recording("r1", "recording", 0));
  hear(recording("r1", "ended", 2.5));
  const first = take;
  take = new Take(API);
  take.follow(first);
  view.show(take);
  expect(last.hidden).toBe(true);
  expect(addresses(earlier)).toHaveLength(1);

  hear(recording("r2", "recording", 0));
  take.leave(SESSION);
  view.show(take);
  expect(last.textContent).toContain("Recorded.");
  const third = new Take(API);
  third.follow(take);
  view.show(third);
  expect(earlier.textContent).toContain("Recorded 2.5 s.");
  expect(addresses(earlier)).toHaveLength(2);
});

it("leaves the focus on a recording's file when the next recording begins", () => {
  hear(recording("r1", "recording", 0));
  hear(recording("r1", "ended", 2.5));
  last.querySelector("a")?.focus();
  hear(recording("r2", "recording", 0));
  expect(document.activeElement).toBe(earlier.querySelector("a"));

  hear(recording("r2", "ended", 4));
  expect(document.activeElement).toBe(earlier.querySelector("a"));
});

it("has the focus on Record where a recording is under way once more whose file had it", () => {
  hear(recording("r1", "recording", 0));
  take.cutOff(SESSION);
  view.show(take);
  last.querySelector("a")?.focus();
  hear(recording("r1", "recording", 3));
  expect(document.activeElement).toBe(byId("record", HTMLButtonElement));
});
