import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { ControlRequest } from "../../src/messages/control";
import { type ControlEvent, Refused, Unanswered } from "../../src/rtc/control";
import { Api } from "../../src/server/api";
import { Http } from "../../src/server/http";
import { SessionCalls } from "../../src/server/session_calls";

const http = new Http(new URL("http://localhost/below/"), "the server's");
const session = new Api(http).session("a/b", "t&");

class Events extends EventTarget {
  static readonly CONNECTING = 0;
  static readonly CLOSED = 2;
  static address: URL;
  static last: Events;
  readyState = 1;

  close(): void {}

  constructor(address: URL) {
    super();
    Events.address = address;
    Events.last = this;
    say = (message) => {
      const name = message["type"] === "stats" ? "telemetry" : String(message["type"]);
      this.dispatchEvent(new MessageEvent(name, { data: JSON.stringify({ v: 1, ...message }) }));
    };
  }
}

let say: (message: Record<string, unknown>) => void;
let asked: Request[];
let answer: () => Response | Promise<Response>;
let heard: ControlEvent[];
let calls: SessionCalls;
const lost = vi.fn();

beforeEach(() => {
  asked = [];
  heard = [];
  answer = () => Response.json({});
  vi.stubGlobal("EventSource", Events);
  vi.stubGlobal("fetch", (url: URL, request: RequestInit) => {
    asked.push(new Request(url, { ...request, signal: null }));
    const aborted = new Promise<never>((_, reject) => {
      request.signal?.addEventListener("abort", () => reject(request.signal?.reason));
    });
    return Promise.race([answer(), aborted]);
  });
  calls = new SessionCalls(
    http,
    session,
    (event) => heard.push(event),
    () => {},
    lost,
  );
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const layer = { instruction_id: "i/1", text: "night", strength: 1, enabled: true };

it.each<[ControlRequest, string, string, unknown]>([
  [
    { type: "instruction", text: "make it night", strength: 0.5, place: "top" },
    "POST",
    "/instructions",
    { text: "make it night", strength: 0.5, place: "top" },
  ],
  [
    { type: "layer", instruction_id: "i/1", enabled: false },
    "PATCH",
    "/instructions/i%2F1",
    { enabled: false },
  ],
  [
    { type: "layer", instruction_id: "i/1", position: 1 },
    "PATCH",
    "/instructions/i%2F1",
    { position: 1 },
  ],
  [{ type: "remove", instruction_id: "i/1" }, "DELETE", "/instructions/i%2F1", null],
  [{ type: "strength", value: 0.3 }, "PATCH", "/instructions/i%2F1", { strength: 0.3 }],
  [{ type: "undo" }, "POST", "/undo", null],
  [{ type: "redo" }, "POST", "/redo", null],
  [{ type: "clear" }, "PUT", "/instructions", { layers: [] }],
  [{ type: "bypass", bypassed: true }, "PATCH", "", { bypassed: true }],
  [{ type: "freeze", frozen: true }, "PATCH", "", { frozen: true }],
  [
    { type: "preset", preset_id: "p", transition_ms: 600 },
    "POST",
    "/preset",
    { preset_id: "p", transition_ms: 600 },
  ],
  [{ type: "record", original: true }, "POST", "/recordings", { original: true }],
])("asks over REST for %o", async (request, method, path, body) => {
  say({ type: "edits", layers: [layer] });
  await calls.ask(request);
  expect(asked.map(({ method, url }) => [method, url])).toEqual([
    [method, `http://localhost/below/v1/sessions/a%2Fb${path}`],
  ]);
  expect(asked[0]?.headers.get("Authorization")).toBe("Bearer t&");
  const sent = await asked[0]?.text();
  expect(sent === "" ? null : JSON.parse(sent ?? "")).toEqual(body);
});

it("stops the recording it has heard of, and asks nothing where there is none", async () => {
  await calls.ask({ type: "stop_recording" });
  await calls.ask({ type: "strength", value: 1 });
  expect(asked).toEqual([]);
  say({ type: "recording", recording: { id: "r", state: "recording" } });
  await calls.ask({ type: "stop_recording" });
  expect(asked[0]?.url).toBe("http://localhost/below/v1/recordings/r/stop");
});

it("stops a recording whose beginning was answered and not told of yet", async () => {
  answer = () => Response.json({ id: "r", state: "recording" }, { status: 201 });
  const begun = calls.ask({ type: "record", original: false });
  const ended = calls.ask({ type: "stop_recording" });
  await Promise.all([begun, ended]);
  expect(asked[1]?.url).toBe("http://localhost/below/v1/recordings/r/stop");
});

it("says what an instruction was taken for", async () => {
  answer = () => Response.json({ instruction_id: "i", known: true, edits: ["night"] });
  const taken = calls.ask({ type: "instruction", text: "night", strength: 1 });
  say({ type: "edits", layers: [{ ...layer, instruction_id: "i" }] });
  expect(await taken).toMatchObject({ instruction_id: "i", known: true, edits: ["night"] });
});

it("moves the strength of the instruction given last, however late the events tell of that", async () => {
  say({ type: "edits", layers: [layer] });
  answer = () => Response.json({ instruction_id: "i2", known: true });
  const given = calls.ask({ type: "instruction", text: "rain", strength: 1 });
  const moved = calls.ask({ type: "strength", value: 0.4 });
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  // Of somebody else's change before.
  say({ type: "edits", layers: [{ ...layer, enabled: false }] });
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(asked).toHaveLength(1);

  say({ type: "edits", layers: [{ ...layer, instruction_id: "i2", text: "rain" }] });
  await Promise.all([given, moved]);
  expect(asked[1]?.url).toMatch(/\/instructions\/i2$/);
  expect(await asked[1]?.json()).toEqual({ strength: 0.4 });
});

it.each<ControlRequest>([
  { type: "undo" },
  { type: "redo" },
  { type: "preset", preset_id: "p", transition_ms: 600 },
  { type: "remove", instruction_id: "i2" },
])(
  "moves the strength of what is at the top after %o, however late the events tell",
  async (request) => {
    const top = { ...layer, instruction_id: "i2", text: "rain" };
    say({ type: "edits", layers: [layer, top] });
    answer = () => Response.json({ layers: [layer] });
    const changed = calls.ask(request);
    const moved = calls.ask({ type: "strength", value: 0.4 });
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    // Of a change before.
    say({ type: "edits", layers: [layer, { ...top, strength: 0.5 }] });
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(asked).toHaveLength(1);

    say({ type: "edits", layers: [layer] });
    await Promise.all([changed, moved]);
    expect(asked[1]?.url).toMatch(/\/instructions\/i%2F1$/);
  },
);

it("waits a second at most for the events to tell of an instruction", async () => {
  vi.useFakeTimers();
  answer = () => Response.json({ instruction_id: "i2", known: true });
  let taken = false;
  void calls.ask({ type: "instruction", text: "rain", strength: 1 }).then(() => (taken = true));
  await vi.advanceTimersByTimeAsync(900);
  expect(taken).toBe(false);
  await vi.advanceTimersByTimeAsync(200);
  expect(taken).toBe(true);
});

it("asks one thing after the other", async () => {
  let release = () => {};
  answer = () => new Promise((resolve) => (release = () => resolve(Response.json({}))));
  const first = calls.ask({ type: "undo" });
  const second = calls.ask({ type: "redo" });
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  release();
  await first;
  await vi.waitFor(() => expect(asked).toHaveLength(2));
  release();
  await second;
});

it("asks of a strength that is dragged only for the newest, in its turn", async () => {
  say({ type: "edits", layers: [layer] });
  let release = () => {};
  answer = () => new Promise((resolve) => (release = () => resolve(Response.json({}))));
  const drag = (value: number) => calls.ask({ type: "strength", value });
  const begun = drag(0.1);
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  const dragged = [drag(0.2), drag(0.3)];
  const between = calls.ask({ type: "undo" });
  const after = drag(0.4);
  for (const count of [1, 2, 3, 4]) {
    await vi.waitFor(() => expect(asked).toHaveLength(count));
    release();
  }
  await Promise.all([begun, ...dragged, between, after]);
  const bodies = await Promise.all(asked.map((request) => request.text()));
  expect(bodies).toEqual(['{"strength":0.1}', '{"strength":0.3}', "", '{"strength":0.4}']);
});

it("tells a refusal with what is known, and a server that is gone from one that refuses", async () => {
  const detail = { title: "No", detail: "not known", nearest: ["make it night"] };
  answer = () =>
    new Response(JSON.stringify(detail), {
      status: 422,
      headers: { "Content-Type": "application/problem+json" },
    });
  const refused = await calls.ask({ type: "undo" }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(Refused);
  expect(refused).toMatchObject({ detail: "not known", nearest: ["make it night"] });

  answer = () => Promise.reject(new TypeError("no network"));
  await expect(calls.ask({ type: "undo" })).rejects.toBeInstanceOf(Unanswered);
});

it("waits for an answer for as long as the session is watched, and asks nothing after", async () => {
  vi.useFakeTimers();
  answer = () => new Promise(() => {});
  let gone: unknown = null;
  const asking = calls.ask({ type: "instruction", text: "night", strength: 1 });
  asking.catch((error: unknown) => (gone = error));
  const waiting = calls.ask({ type: "undo" });
  waiting.catch(() => {});
  await vi.advanceTimersByTimeAsync(600_000);
  vi.useRealTimers();
  expect(gone).toBeNull();

  calls.close();
  await expect(asking).rejects.toBeInstanceOf(Unanswered);
  await expect(waiting).rejects.toBeInstanceOf(Unanswered);
  expect(asked).toHaveLength(1);
});

it("hears the session's events by its token", () => {
  expect(Events.address.href).toBe("http://localhost/below/v1/sessions/a%2Fb/events?token=t%26");
  say({ type: "state", state: "live" });
  say({ type: "edits", layers: [layer] });
  expect(heard.map(({ type }) => type)).toEqual(["state", "edits"]);
});

it("tells when the events do not come back by themselves", () => {
  lost.mockClear();
  Events.last.readyState = Events.CONNECTING;
  Events.last.dispatchEvent(new Event("error"));
  expect(lost).not.toHaveBeenCalled();
  Events.last.readyState = Events.CLOSED;
  Events.last.dispatchEvent(new Event("error"));
  expect(lost).toHaveBeenCalledOnce();
});
