import { describe, expect, it } from "vitest";
import type { Ack, Warning } from "../src/messages/control";
import {
  awaitedWords,
  doneWords,
  noticeOf,
  sendingWords,
  unknownWords,
} from "../src/view/composer";
import type { Entry } from "../src/visit/instructions";

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

function entry(said: Partial<Entry>): Entry {
  return { text: "night", status: "applied", ack: null, nearest: [], ...said } as Entry;
}

function warning(code: string, detail: string, nearest: string[] = []): Warning {
  return { type: "warning", code, detail, nearest };
}

describe("beside the receipt", () => {
  const refused = entry({ text: "xqv", status: "refused", nearest: ["make it night"] });
  const half = entry({ ack: ack({ known: false, edits: ["night"], nearest: ["snow"] }) });
  const halfWarning = warning("half_known_instruction", "Of “night and xqv” only this is done.");
  const said = (current: Entry | null, warned: Warning | null, inForce = ["night"]) =>
    noticeOf(current, warned, inForce, FAMILIES);

  it("says nothing of what is known", () => {
    expect(said(entry({ ack: ack({}) }), null)).toBeNull();
    expect(said(null, null)).toBeNull();
  });

  it("says what is nearest to an instruction that was typed and is not known", () => {
    expect(said(refused, null)?.nearest).toEqual(["make it night"]);
    expect(said(refused, null)?.words).toContain("nothing like this");
  });

  it("says once that one which was typed is half known, and only while it shows", () => {
    const answered = {
      words: expect.stringContaining("half of this is done: Night."),
      nearest: ["snow"],
    };
    expect(said(half, null)).toEqual(answered);
    expect(said(half, halfWarning)).toEqual(answered);
    expect(said(half, null, ["sepia"])).toBeNull();
    expect(said(half, halfWarning, ["sepia"])?.words).toBe(halfWarning.detail);
  });

  it("says of a preset's instruction what the server says, whatever was typed last", () => {
    const unknown = warning("unknown_instruction", "“xqv” is unlike anything.", ["snow"]);
    const notice = { words: "“xqv” is unlike anything. Nearest:", nearest: ["snow"] };
    expect(said(entry({ ack: ack({}) }), unknown)).toEqual(notice);
    expect(said(half, unknown)).toEqual(notice);
    expect(said(null, unknown)).toEqual(notice);
  });

  it("shows every other warning", () => {
    const failed = warning("instruction_failed", "the model folder is empty");
    expect(said(refused, failed)).toEqual({ words: "The model folder is empty.", nearest: [] });
    expect(said(null, warning("new_one", ""))?.words).toBe("New_one.");
  });
});
