import { expect, it } from "vitest";
import type { Ack } from "../src/messages/control";
import { awaitedWords, doneWords, sendingWords, unknownWords } from "../src/view/composer";

const FAMILIES = [
  { name: "night", label: "Night", examples: [] },
  { name: "snow", label: "Falling snow", examples: [] },
];

function ack(answer: Partial<Ack>): Ack {
  return {
    type: "ack",
    id: "c1",
    instruction_id: "i1",
    family: "night",
    edits: [],
    known: true,
    confidence: 0.9,
    nearest: [],
    ...answer,
  };
}

it("names every edit of an instruction", () => {
  expect(doneWords(ack({ edits: ["night", "snow"] }), FAMILIES)).toBe("Night and Falling snow");
  expect(doneWords(ack({}), FAMILIES)).toBe("Night");
  expect(doneWords(ack({ known: false }), FAMILIES)).toBe("");
  expect(doneWords(null, FAMILIES)).toBe("");
});

it("names the half that is done of what is only half known", () => {
  const half = ack({ known: false, edits: ["night"] });
  expect(unknownWords(half, FAMILIES)).toContain("Only half of this is done: Night.");
  expect(unknownWords(ack({ known: false }), FAMILIES)).toContain("nothing like this");
});

it("says what an instruction waits for while the picture is held or let through", () => {
  expect(awaitedWords({ frozen: false, edits: { bypassed: false } })).toContain("first frame");
  expect(awaitedWords({ frozen: false, edits: { bypassed: true } })).toContain("bypass");
  expect(awaitedWords({ frozen: true, edits: { bypassed: true } })).toContain("goes on");
  expect(awaitedWords({ frozen: false, edits: null })).toContain("first frame");
});

it("does not go on saying that it sends what was sent long ago", () => {
  expect(sendingWords(300)).toBe("Sending…");
  expect(sendingWords(5_000)).toContain("not answered");
});
