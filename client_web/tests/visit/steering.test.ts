import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Layer } from "../../src/messages/control";
import type { Viewing } from "../../src/rtc/whep";
import { Api } from "../../src/server/api";
import { Http } from "../../src/server/http";
import { recordedWords } from "../../src/view/recording";
import { Steering } from "../../src/visit/steering";

const { watch, untilStill } = vi.hoisted(() => ({ watch: vi.fn(), untilStill: vi.fn() }));
vi.mock("../../src/rtc/whep", async (original) => ({ ...(await original<object>()), watch }));
vi.mock("../../src/rtc/pictures", () => ({ untilStill }));

/** The server's end of the session that is watched, played by the test. */
class Events extends EventTarget {
  close(): void {}
}

const http = new Http(new URL("http://localhost/"), null);
let events: Events | null;
let asked: Record<string, unknown>[];
let answer: () => Response | Promise<Response>;
let lose: () => void;
let steering: Steering;

function edits(...layers: readonly Partial<Layer>[]): void {
  const message = {
    type: "edits",
    layers: layers.map((layer, index) => ({ instruction_id: `i${index}`, ...layer })),
  };
  events?.dispatchEvent(new MessageEvent("edits", { data: JSON.stringify(message) }));
}

/** The session takes an instruction, and tells that it is on the stack. */
function take(): Response {
  edits({ text: String(asked.at(-1)?.["text"]) });
  return Response.json({ instruction_id: "i0", known: true });
}

function aMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}

/** Watch the session of this name. */
async function connect(session: string): Promise<void> {
  watch.mockResolvedValueOnce({
    connection: {},
    stream: {},
    session: new URL(`http://localhost/v1/sessions/${session}`),
    end: () => {},
  } as Viewing);
  steering.retryNow();
  await vi.waitFor(() => expect(steering.session?.id).toBe(session));
}

/** The session tells of its state, or of a recording. */
function tell(type: "state" | "recording", told: object): void {
  events?.dispatchEvent(new MessageEvent(type, { data: JSON.stringify({ type, ...told }) }));
}

async function disconnect(): Promise<void> {
  lose();
  await vi.waitFor(() => expect(steering.session).toBeNull());
  await vi.waitFor(() => expect(steering.retryAt).not.toBeNull());
}

function instructions(): unknown[] {
  return asked.map(({ text, place, strength }) => [text, place, strength]);
}

function statuses(): Record<string, string> {
  const { entries } = steering.instructions;
  return Object.fromEntries(entries.map(({ text, status }) => [text, status]));
}

beforeEach(() => {
  asked = [];
  events = null;
  answer = take;
  watch.mockReset().mockRejectedValue(new TypeError("not yet"));
  untilStill.mockReset().mockImplementation(() => new Promise<void>((resolve) => (lose = resolve)));
  vi.spyOn(console, "error").mockReturnValue();
  vi.stubGlobal(
    "EventSource",
    class extends Events {
      constructor() {
        super();
        events = this;
      }
    },
  );
  vi.stubGlobal("fetch", (_: URL, { body, signal }: RequestInit) => {
    asked.push(JSON.parse(String(body)) as Record<string, unknown>);
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
    return Promise.race([answer(), aborted]);
  });
  const video = { play: async () => {} } as HTMLVideoElement;
  steering = new Steering(http, new Api(http), video, "obs", () => {});
  void steering.run();
});

afterEach(() => {
  steering.end();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

it("says all that was asked for while nothing came, each in its place and as strongly as then", async () => {
  steering.apply("black and white");
  steering.setStrength(0.4);
  steering.apply("rain", "top");
  await connect("s1");
  // Somebody else has asked this session for something.
  edits({ text: "night" });

  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(instructions()).toEqual([
    ["black and white", "alone", 0.4],
    ["rain", "top", 1],
  ]);
});

it("adds to what a session has, and takes nothing from it, when its connection comes back", async () => {
  await connect("s1");
  edits({ text: "night" });
  await disconnect();
  steering.apply("rain", "top");
  steering.apply("fog", "top");
  await connect("s1");
  edits({ text: "night" });

  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(instructions()).toEqual([
    ["rain", "top", 1],
    ["fog", "top", 1],
  ]);
});

it("says nothing again that the session took although its answer was lost", async () => {
  await connect("s1");
  edits();
  answer = () => new Promise(() => {});
  steering.apply("night");
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  // On the stack before it is answered: nothing to say again either.
  edits({ text: "night" });
  await disconnect();
  expect(statuses()).toEqual({ night: "queued" });

  await connect("s1");
  edits({ text: "night" }, { text: "rain" });

  expect(statuses()).toEqual({ night: "applied" });
  expect(asked).toHaveLength(1);
});

it("says what was asked for alone although it is on the stack among others", async () => {
  await connect("s1");
  edits({ text: "night" }, { text: "rain" });
  await disconnect();
  steering.apply("night");
  await connect("s1");
  edits({ text: "night" }, { text: "rain" });

  await vi.waitFor(() => expect(instructions()).toEqual([["night", "alone", 1]]));
});

it("tells a new session of everything, also of what the last one left unanswered", async () => {
  await connect("s1");
  edits({ text: "night" });
  answer = () => new Response("", { status: 502 });
  steering.apply("rain", "top");
  await vi.waitFor(() => expect(statuses()).toEqual({ rain: "queued" }));
  await disconnect();
  asked.length = 0;
  answer = take;

  await connect("s2");
  edits();

  await vi.waitFor(() => expect(asked).toHaveLength(2));
  expect(instructions()).toEqual([
    ["night", "top", 1],
    ["rain", "top", 1],
  ]);
});

it("keeps the strength that is moved between an instruction's answer and the events", async () => {
  await connect("s1");
  edits();
  answer = () => Response.json({ instruction_id: "i0", known: true });
  steering.apply("night");
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  await aMoment();
  steering.setStrength(0.4);
  await aMoment();
  edits({ text: "night", strength: 1 });

  await vi.waitFor(() => expect(asked[1]).toEqual({ strength: 0.4 }));
  expect(steering.wanted.strength).toBe(0.4);
  expect(steering.instructions.current?.status).toBe("accepted");
});

it("says of a recording no more than it knows once it hears nothing of it", async () => {
  const recording = { id: "r1", state: "recording", duration_s: 2, files: [] };
  const words = () => steering.take.recording && recordedWords(steering.take.recording);
  await connect("s1");
  tell("recording", { recording });
  await disconnect();
  expect(words()).toContain("goes on without this page");

  await connect("s1");
  tell("recording", { recording });
  expect(steering.take.since).not.toBeNull();
  tell("state", { state: "closed" });
  await disconnect();
  expect(words()).toBe("Recorded.");
  expect(steering.take.files.map(({ name }) => name)).toEqual(["edited.mp4"]);
});

it("names the files of a recording that goes on when its watcher leaves", async () => {
  await connect("s1");
  tell("recording", { recording: { id: "r1", state: "recording" } });
  steering.end();
  expect(steering.take.recording && recordedWords(steering.take.recording)).toContain("goes on");
  expect(steering.take.files.map(({ name }) => name)).toEqual(["edited.mp4"]);
});
