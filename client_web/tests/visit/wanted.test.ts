import { beforeEach, expect, it, vi } from "vitest";
import type { ControlRequest, Edits } from "../../src/messages/control";
import type { Entry } from "../../src/visit/instructions";
import { Wanted } from "../../src/visit/wanted";

/** A session that is told things, and takes every instruction but the one it is to refuse. */
class Session {
  readonly told: unknown[] = [];
  refuses = "";
  /** Whether the connection is gone before anything is answered. */
  gone = false;

  async tell(request: ControlRequest): Promise<void> {
    this.told.push(request);
  }

  async send(entry: Entry, place: string, strength: number): Promise<string | null> {
    this.told.push([entry.text, place, strength]);
    if (this.gone) entry.status = "queued";
    else entry.status = entry.text === this.refuses ? "refused" : "accepted";
    return entry.status === "accepted" ? `id of ${entry.text}` : null;
  }
}

const NOTHING: Edits = {
  type: "edits",
  layers: [],
  can_undo: false,
  can_redo: false,
  bypassed: false,
  frozen: false,
};
const entries = new Map<string, Entry>();

function entryOf(text: string): Entry {
  const entry = entries.get(text) ?? ({ text } as Entry);
  entries.set(text, entry);
  return entry;
}

function layer(text: string, strength = 1, enabled = true) {
  return { instruction_id: `old ${text}`, text, strength, enabled };
}

let wanted: Wanted;
let session: Session;

beforeEach(() => {
  wanted = new Wanted();
  session = new Session();
  entries.clear();
});

/** A new session is told all that is wanted, and tells of itself, still empty, meanwhile. */
async function restored(): Promise<void> {
  const told = wanted.restore(session, entryOf);
  wanted.hear(NOTHING);
  await told;
}

it("tells the next session the whole stack, switches and bypass", async () => {
  const layers = [layer("night", 0.5), layer("fog", 1, false), layer("rain", 0.8)];
  wanted.hear({ ...NOTHING, layers, bypassed: true, frozen: true });
  wanted.lose();

  const told = wanted.restore(session, entryOf);
  // What a session says of itself first is not what showed.
  wanted.hear(NOTHING);
  await told;

  expect(session.told).toEqual([
    ["night", "top", 0.5],
    ["fog", "top", 1],
    ["rain", "top", 0.8],
    { type: "bypass", bypassed: true },
    { type: "layer", instruction_id: "id of fog", enabled: false },
  ]);
});

it("freezes the next session only when it shows a picture, or there would be none to hold", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night")], frozen: true });
  wanted.lose();
  await wanted.restore(session, entryOf);
  wanted.hear({ ...NOTHING, layers: [layer("night")] });
  expect(session.told).toEqual([["night", "top", 1]]);
  expect(wanted.frozen).toBe(true);

  wanted.pictured(session);
  expect(session.told.at(-1)).toEqual({ type: "freeze", frozen: true });

  wanted.hear({ ...NOTHING, layers: [layer("night")] });
  expect(wanted.frozen).toBe(false);
});

it("tells what was asked for while there was no session", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night"), layer("fog")] });
  wanted.lose();
  wanted.keep("rain", "top", 1);
  await wanted.restore(session, entryOf);
  expect(session.told).toEqual([
    ["night", "top", 1],
    ["fog", "top", 1],
    ["rain", "top", 1],
  ]);

  session.told.length = 0;
  wanted.lose();
  wanted.keep("sepia", "alone", 1);
  wanted.setStrength(0.3);
  await wanted.restore(session, entryOf);
  expect(session.told).toEqual([["sepia", "top", 0.3]]);
});

it("does not bring back what was undone, nor what was refused", async () => {
  wanted.keep("night", "alone", 1);
  wanted.hear({ ...NOTHING, can_redo: true, can_undo: true });
  wanted.keep("nonsense", "alone", 1);
  await wanted.holdUntil(Promise.resolve());
  wanted.lose();
  await wanted.restore(session, entryOf);
  expect(session.told).toEqual([]);
});

it("tells all of the stack before anything that is asked for meanwhile", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night"), layer("fog", 1, false)] });
  wanted.lose();

  const told = wanted.restore(session, entryOf);
  wanted.keep("sepia", "alone", 1);
  await session.send(entryOf("sepia"), "alone", 1);
  await told;

  // Nor is an instruction switched off whose place another has taken.
  expect(session.told).toEqual([
    ["night", "top", 1],
    ["fog", "top", 1],
    ["sepia", "alone", 1],
  ]);
});

it("follows what the session made of everything once it was told everything", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night"), layer("fog")] });
  wanted.lose();
  const told = wanted.restore(session, entryOf);
  // The visitor has switched the fog off meanwhile.
  wanted.hear({ ...NOTHING, layers: [layer("night"), layer("fog", 1, false)] });
  await told;
  wanted.lose();
  session.told.length = 0;

  await wanted.restore(session, entryOf);

  expect(session.told).toContainEqual({
    type: "layer",
    instruction_id: "id of fog",
    enabled: false,
  });
});

it("keeps an instruction that is under way, whatever the session says of itself meanwhile", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night")] });
  wanted.keep("sepia", "alone", 1);
  void wanted.holdUntil(new Promise(() => {}));
  wanted.hear({ ...NOTHING, layers: [layer("night")], bypassed: true });
  wanted.lose();

  await wanted.restore(session, entryOf);

  expect(session.told).toEqual([["sepia", "top", 1]]);
});

it("has in force what is on the stack and switched on, whatever was said last", () => {
  wanted.hear({ ...NOTHING, layers: [layer("night"), layer("rain"), layer("fog", 1, false)] });
  expect(wanted.inForce).toEqual(["night", "rain"]);
  wanted.keep("sepia", "alone", 1);
  expect(wanted.inForce).toEqual(["sepia"]);
  // Undone.
  wanted.hear({ ...NOTHING, layers: [layer("night")] });
  expect(wanted.inForce).toEqual(["night"]);
});

it("follows what was said while the slider settled, once it has", () => {
  vi.useFakeTimers();
  try {
    wanted.hear({ ...NOTHING, layers: [layer("night")] });
    wanted.setStrength(0.8);
    wanted.hear({ ...NOTHING, layers: [layer("night", 1)] });
    expect(wanted.strength).toBe(0.8);
    vi.advanceTimersByTime(600);
    expect(wanted.strength).toBe(1);
  } finally {
    vi.useRealTimers();
  }
});

it("goes on with the last session's stack where all that was asked for since is refused", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night"), layer("fog", 0.5, false)] });
  wanted.setStrength(0.7);
  wanted.lose();
  wanted.keep("gibberish", "alone", 1);
  session.refuses = "gibberish";

  await restored();

  expect(session.told).toEqual([
    ["gibberish", "top", 1],
    ["night", "alone", 1],
    ["fog", "top", 0.7],
    { type: "layer", instruction_id: "id of fog", enabled: false },
  ]);
});

it("has what was asked for on top of a refused instruction on top of what that was to replace", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night"), layer("fog", 0.5)] });
  wanted.lose();
  wanted.keep("gibberish", "alone", 1);
  wanted.keep("rain", "top", 0.8);
  session.refuses = "gibberish";

  await restored();

  expect(session.told).toEqual([
    ["gibberish", "top", 1],
    ["rain", "top", 0.8],
    ["night", "alone", 1],
    ["fog", "top", 0.5],
    ["rain", "top", 0.8],
  ]);
});

it("goes on with what was asked for before a refused instruction, though no session has told of that", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night")] });
  wanted.lose();
  wanted.keep("sepia", "alone", 1);
  wanted.keep("rain", "top", 1);
  wanted.keep("gibberish", "alone", 1);
  session.refuses = "gibberish";
  await wanted.restore(session, entryOf);
  expect(session.told).toEqual([
    ["gibberish", "top", 1],
    ["sepia", "alone", 1],
    ["rain", "top", 1],
  ]);
});

it("does not bring the last session's stack back where anything else was asked for since", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night")] });
  wanted.lose();
  wanted.keep("gibberish", "alone", 1);
  session.refuses = "gibberish";

  const told = wanted.restore(session, entryOf);
  wanted.keep("sepia", "alone", 1);
  await session.send(entryOf("sepia"), "alone", 1);
  await told;

  expect(session.told).toEqual([
    ["gibberish", "top", 1],
    ["sepia", "alone", 1],
  ]);
});

it("asks for the same again where the connection was lost before it was answered", async () => {
  wanted.hear({ ...NOTHING, layers: [layer("night")] });
  wanted.lose();
  wanted.keep("sepia", "alone", 1);
  session.gone = true;
  await wanted.restore(session, entryOf);
  session.gone = false;
  await wanted.restore(session, entryOf);
  expect(session.told).toEqual([
    ["sepia", "top", 1],
    ["sepia", "top", 1],
  ]);
});
