// @vitest-environment happy-dom

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Recording } from "../src/messages/control";
import type { SessionAddress } from "../src/server/api";
import type { Source } from "../src/sources/camera";
import { byId } from "../src/view/dom";
import { Visit } from "../src/visit/visit";
import { openPage } from "./page";

vi.mock("../src/view/hero", () => ({ playHero: async () => {} }));
vi.mock("../src/sources/clips", () => ({
  openDemo: async () =>
    ({ kind: "demo", label: "Demo clip", track: new EventTarget(), close: () => {} }) as Source,
}));

const RECORDED: Recording = {
  type: "recording",
  id: "r1",
  state: "ended",
  reason: "stopped",
  duration_s: 2.5,
  files: ["edited.mp4"],
};

const run = vi.spyOn(Visit.prototype, "run");

beforeEach(() => {
  vi.stubGlobal("RTCPeerConnection", class {});
  vi.stubGlobal("fetch", () => new Promise(() => {}));
  run.mockResolvedValue();
  openPage();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** Play the demo clip, and stop. */
async function visit(): Promise<void> {
  byId("use-demo", HTMLButtonElement).click();
  await vi.waitFor(() => expect(document.body.dataset["view"]).toBe("live"));
  byId("leave", HTMLButtonElement).click();
  expect(document.body.dataset["view"]).toBe("start");
}

it("has an earlier visit's recordings in reach on the first screen", async () => {
  await import("../src/main");
  run.mockImplementationOnce(async function (this: Visit) {
    this.take.hear(RECORDED, { token: "t" } as SessionAddress);
  });
  await visit();
  expect(byId("last-recording", HTMLParagraphElement).textContent).toContain("Recorded 2.5 s.");
  await visit();
  expect(byId("last-recording", HTMLParagraphElement).hidden).toBe(true);
  const earlier = byId("last-recording-earlier", HTMLDivElement);
  expect(earlier.hidden).toBe(false);
  expect(earlier.textContent).toContain("Recorded 2.5 s.");
});
