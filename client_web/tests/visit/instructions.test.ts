import { expect, it } from "vitest";
import type { Ack, Layer, Receipt } from "../../src/messages/control";
import type { Asker } from "../../src/rtc/control";
import { type Entry, Instructions, objection } from "../../src/visit/instructions";

function layer(instruction_id: string): Layer {
  return { instruction_id, text: "night", strength: 1, enabled: true };
}

/** Give an instruction that the session takes by this name. */
async function given(instructions: Instructions, instruction_id: string): Promise<Entry> {
  const entry = instructions.add("night", "alone", 1);
  const taken: Asker = { ask: async () => ({ instruction_id }) as Ack };
  await instructions.send(entry, taken);
  return entry;
}

it("objects to an empty and to an endless instruction before sending it", () => {
  expect(objection("  ")).not.toBeNull();
  expect(objection("x".repeat(501))).toContain("501");
  expect(objection("x".repeat(500))).toBeNull();
  expect(objection("make it night")).toBeNull();
});

it("keeps for the next connection only what that is told", () => {
  const instructions = new Instructions(() => {});
  const said = ["night", "rain", "fog", "gibberish", "sepia"].map((text) =>
    instructions.add(text, "top", 1),
  );
  const [night, rain, fog, gibberish, sepia] = said;
  for (const entry of said) entry.status = "applied";
  if (fog) fog.status = "accepted";
  if (gibberish) gibberish.status = "refused";

  // Rain, fog and sepia were undone, one of them before its first frame.
  instructions.lose([{ text: "night", strength: 1, enabled: true }]);

  expect([night, rain, fog, gibberish, sepia].map((entry) => entry?.status)).toEqual([
    "queued",
    "applied",
    "replaced",
    "refused",
    "applied",
  ]);
});

it("waits no longer for an instruction that was undone before it showed", async () => {
  const instructions = new Instructions(() => {});
  // Sessions tell of their stack before they answer.
  instructions.follow([layer("i1")]);
  const entry = await given(instructions, "i1");
  expect(entry.status).toBe("accepted");

  instructions.follow([]);
  expect(entry.status).toBe("replaced");

  // Redone: it shows, but no receipt says so.
  instructions.follow([layer("i1")]);
  expect(entry.status).toBe("applied");
});

it("goes on waiting for an instruction that is not on the stack yet", async () => {
  const instructions = new Instructions(() => {});
  instructions.follow([layer("i1")]);
  const entry = await given(instructions, "i2");
  // Somebody else's change, made before.
  instructions.follow([]);
  expect(entry.status).toBe("accepted");
  instructions.follow([layer("i2")]);
  expect(entry.status).toBe("accepted");
});

it("does not call undone what has shown", async () => {
  const instructions = new Instructions(() => {});
  instructions.follow([layer("i1")]);
  const entry = await given(instructions, "i1");
  instructions.receive({ instruction_id: "i1", text: "night" } as Receipt);
  instructions.follow([]);
  expect(entry.status).toBe("applied");
});
