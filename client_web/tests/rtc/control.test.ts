import { beforeEach, expect, it } from "vitest";
import { Control, type ControlEvent, Refused, Unanswered } from "../../src/rtc/control";

/** The server's end of a data channel, played by the test. */
class Wire {
  readonly sent: Record<string, unknown>[] = [];
  private readonly listeners = new Map<string, (event: MessageEvent) => void>();

  send(text: string): void {
    this.sent.push(JSON.parse(text) as Record<string, unknown>);
  }

  addEventListener(type: string, listener: (event: MessageEvent) => void): void {
    this.listeners.set(type, listener);
  }

  say(message: unknown): void {
    this.listeners.get("message")?.({ data: JSON.stringify(message) } as MessageEvent);
  }

  close(): void {
    this.listeners.get("close")?.({} as MessageEvent);
  }
}

let wire: Wire;
let heard: ControlEvent[];
let control: Control;

beforeEach(() => {
  wire = new Wire();
  heard = [];
  control = new Control(wire, (event) => heard.push(event));
});

it("answers each request by its id, whatever the order", async () => {
  const first = control.ask({ type: "freeze", frozen: true });
  const second = control.ask({ type: "instruction", text: "make it night", strength: 1 });
  const [a, b] = wire.sent;
  expect(a).toMatchObject({ v: 1, type: "freeze", frozen: true });
  wire.say({ v: 1, id: b?.["id"], type: "ack", instruction_id: "i9", known: true });
  wire.say({ v: 1, id: a?.["id"], type: "ack" });
  expect((await second).instruction_id).toBe("i9");
  expect((await first).instruction_id).toBeNull();
});

it("rejects with the server's reason", async () => {
  const asked = control.ask({ type: "strength", value: 2 });
  wire.say({ v: 1, id: wire.sent[0]?.["id"], type: "error", code: "bad_field", detail: "0 to 1" });
  await expect(asked).rejects.toEqual(new Refused("bad_field", "0 to 1"));
});

it("gives up when the channel closes", async () => {
  const asked = expect(control.ask({ type: "ping", t: 1 })).rejects.toBeInstanceOf(Unanswered);
  wire.close();
  await asked;
});

it("gives up when the page closes the connection", async () => {
  const asked = expect(control.ask({ type: "ping", t: 1 })).rejects.toBeInstanceOf(Unanswered);
  control.abandon();
  await asked;
});

it("passes on what the server says unasked", () => {
  wire.say({ v: 1, type: "state", state: "degraded" });
  wire.say({ v: 1, type: "warning", code: "unknown_instruction", detail: "", nearest: ["a"] });
  wire.say({ v: 1, type: "gossip" });
  expect(heard.map(({ type }) => type)).toEqual(["state", "warning"]);
});
