import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { ControlRequest } from "../../src/messages/control";
import { Refused } from "../../src/rtc/control";
import { ConnectionFailed, type Peer } from "../../src/rtc/peer";
import type { Api } from "../../src/server/api";
import type { Source } from "../../src/sources/camera";
import type { Link } from "../../src/visit/link";
import { Visit } from "../../src/visit/visit";

const connect = vi.hoisted(() => vi.fn());
vi.mock("../../src/rtc/peer", async (original) => ({ ...(await original<object>()), connect }));

beforeEach(() => {
  connect.mockReset();
});
afterEach(() => {
  vi.useRealTimers();
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

/** The server's end of the control channel, played by the test. */
class Wire extends EventTarget {
  readonly sent: Record<string, unknown>[] = [];

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  say(message: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify(message) }));
  }
}

function peerWith(control: Wire): Peer {
  const connection = Object.assign(new EventTarget(), {
    connectionState: "connected",
    getStats: async () => new Map(),
    close: () => {},
  });
  return {
    connection,
    control,
    telemetry: new EventTarget(),
    edited: {},
    takeEarly: () => [],
  } as unknown as Peer;
}

it("records and stops where it is pressed twice before the server answers", async () => {
  const visit = visiting();
  const told: string[] = [];
  linked(visit, ({ type }) => {
    told.push(type);
    return new Promise(() => {});
  });
  for (let pressed = 1; pressed <= 3; pressed += 1) void visit.toggleRecording(false);
  expect(told).toEqual(["record", "stop_recording", "record"]);
});

it("asks to record once more where that was refused", async () => {
  const visit = visiting();
  const told: string[] = [];
  linked(visit, ({ type }) => {
    told.push(type);
    return Promise.reject(new Refused("no_space", "the disk is full"));
  });
  await visit.toggleRecording(false);
  await visit.toggleRecording(false);
  expect(told).toEqual(["record", "record"]);
});

it("says a refusal only until the next instruction", async () => {
  const visit = visiting();
  linked(visit, ({ type }) =>
    type === "record"
      ? Promise.reject(new Refused("no_space", "the disk is full"))
      : Promise.resolve({ instruction_id: "i1" }),
  );
  void visit.toggleRecording(false);
  await vi.waitFor(() => expect(visit.refusal).toBe("The disk is full."));

  visit.apply("make it night");

  expect(visit.refusal).toBeNull();
});

it("forgets a warning about instructions with their stack, and one about the picture with its cause", async () => {
  vi.useFakeTimers();
  const wire = new Wire();
  const visit = visiting({ play: async () => {} } as HTMLVideoElement);
  connect.mockResolvedValue(peerWith(wire));
  const stay = visit.run();
  await vi.advanceTimersByTimeAsync(0);
  const edits = (id: string) =>
    wire.say({ type: "edits", layers: [{ instruction_id: id, text: "night" }] });
  const warn = (code: string) => wire.say({ type: "warning", code, detail: "no" });
  edits("i1");
  warn("unknown_instruction");
  // Frozen or bypassed: the same stack.
  edits("i1");
  expect(visit.warning?.code).toBe("unknown_instruction");
  edits("i2");
  expect(visit.warning).toBeNull();

  warn("editor_failed");
  wire.say({ type: "state", state: "degraded" });
  edits("i3");
  expect(visit.warning?.code).toBe("editor_failed");
  wire.say({ type: "state", state: "live" });
  expect(visit.warning).toBeNull();

  visit.end();
  await vi.advanceTimersByTimeAsync(1_000);
  await stay;
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

it("says what became of a request however late the answer comes, as long as there is a connection", async () => {
  vi.useFakeTimers();
  const wire = new Wire();
  const visit = visiting({ play: async () => {} } as HTMLVideoElement);
  connect.mockResolvedValue(peerWith(wire));
  const stay = visit.run();
  await vi.advanceTimersByTimeAsync(0);
  visit.apply("make it night");
  void visit.toggleRecording(false);
  const [instruction, record] = wire.sent;

  await vi.advanceTimersByTimeAsync(30_000);
  expect(visit.instructions.current?.status).toBe("sending");
  wire.say({ type: "ack", id: instruction?.["id"], instruction_id: "i1", known: true });
  wire.say({ type: "error", id: record?.["id"], code: "refused", detail: "the disk is full" });
  await vi.advanceTimersByTimeAsync(0);
  expect(visit.instructions.current?.status).toBe("accepted");
  expect(visit.refusal).toBe("The disk is full.");

  const unanswered = visit.tell({ type: "undo" });
  visit.end();
  await vi.advanceTimersByTimeAsync(1_000);
  await Promise.all([stay, unanswered]);
});

it("keeps nothing that was undone when the connection is lost", async () => {
  vi.useFakeTimers();
  const wire = new Wire();
  const visit = visiting({ play: async () => {} } as HTMLVideoElement);
  connect.mockResolvedValueOnce(peerWith(wire)).mockRejectedValue(new ConnectionFailed());
  const stay = visit.run();
  await vi.advanceTimersByTimeAsync(0);
  visit.apply("make it night");
  wire.say({ type: "edits", layers: [{ instruction_id: "i1", text: "make it night" }] });
  wire.say({ type: "ack", id: wire.sent[0]?.["id"], instruction_id: "i1", known: true });
  wire.say({ type: "receipt", instruction_id: "i1", text: "make it night", elapsed_ms: 40 });
  wire.say({ type: "edits", layers: [], can_redo: true });
  await vi.advanceTimersByTimeAsync(0);

  wire.dispatchEvent(new Event("close"));
  await vi.advanceTimersByTimeAsync(1_000);

  expect(visit.state).toBe("waiting");
  expect(visit.instructions.current?.status).toBe("applied");
  visit.end();
  await vi.advanceTimersByTimeAsync(1_000);
  await stay;
});

it("waits for no picture of what was undone before it showed", async () => {
  vi.useFakeTimers();
  const wire = new Wire();
  const visit = visiting({ play: async () => {} } as HTMLVideoElement);
  connect.mockResolvedValue(peerWith(wire));
  const stay = visit.run();
  await vi.advanceTimersByTimeAsync(0);
  visit.apply("make it night");
  wire.say({ type: "edits", layers: [{ instruction_id: "i1", text: "make it night" }] });
  wire.say({ type: "ack", id: wire.sent[0]?.["id"], instruction_id: "i1", known: true });
  await vi.advanceTimersByTimeAsync(0);
  expect(visit.instructions.current?.status).toBe("accepted");

  wire.say({ type: "edits", layers: [], can_redo: true });

  expect(visit.instructions.current?.status).toBe("replaced");
  visit.end();
  await vi.advanceTimersByTimeAsync(1_000);
  await stay;
});

it("keeps what was asked for since, where an earlier instruction is refused late", async () => {
  const visit = visiting();
  let refuse = () => {};
  linked(visit, () => new Promise((_, reject) => (refuse = () => reject(new Refused("x", "no")))));
  visit.wanted.hear({
    ...{ type: "edits", layers: [], can_undo: false, can_redo: false },
    ...{ bypassed: false, frozen: false },
  });
  visit.apply("gibberish");
  const refuseFirst = refuse;
  visit.apply("make it night");
  refuseFirst();
  await vi.waitFor(() => expect(visit.instructions.entries[1]?.status).toBe("refused"));

  const told: ControlRequest[] = [];
  linked(visit, async (request) => told.push(request));
  await visit.wanted.restore(visit, (text) => visit.instructions.entryOf(text));

  expect(told).toMatchObject([{ type: "instruction", text: "make it night" }]);
});

it("waits for the visitor after an error that nobody foresaw, and then tries again", async () => {
  const log = vi.spyOn(console, "error").mockReturnValue();
  const visit = visiting();
  connect.mockRejectedValue(new TypeError("x is not a function"));
  const stay = visit.run();
  await vi.waitFor(() => expect(visit.state).toBe("waiting"));
  expect(visit.trouble?.kind).toBe("unforeseen");
  expect(visit.retryAt).toBeNull();

  visit.retryNow();
  await vi.waitFor(() => expect(connect).toHaveBeenCalledTimes(2));
  visit.end();
  await stay;
  log.mockRestore();
});

it("hears what the session said while the source was being changed", async () => {
  vi.useFakeTimers();
  const visit = visiting({ play: async () => {} } as HTMLVideoElement);
  const said = JSON.stringify({
    v: 1,
    type: "edits",
    layers: [{ instruction_id: "i1", text: "night" }],
  });
  connect.mockResolvedValue({ ...peerWith(new Wire()), takeEarly: () => [said] });
  const stay = visit.run();
  await vi.advanceTimersByTimeAsync(0);
  expect(visit.wanted.edits?.layers.map(({ text }) => text)).toEqual(["night"]);
  visit.end();
  await vi.advanceTimersByTimeAsync(1_000);
  await stay;
});
