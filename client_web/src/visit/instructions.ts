/** What the visitor has said, from Enter to the first picture that shows it. */

import type { Ack, KeptLayer, Layer, Place, Receipt } from "../messages/control";
import { type Asker, Refused, Unanswered } from "../rtc/control";
import { atOrAfter } from "../rtc/rtp";
import type { Shown } from "../rtc/statistics";
import { sentence } from "./trouble";

/** One instruction the visitor gave. */
export interface Entry {
  readonly text: string;
  /** As it is to be said, or was last. */
  place: Place;
  strength: number;
  /** performance.now() when it was last sent. */
  askedAt: number;
  status: "queued" | "sending" | "accepted" | "applied" | "refused" | "replaced";
  ack: Ack | null;
  /** Whether it was sent and no answer came: the server may have taken it. */
  unanswered: boolean;
  /** Whether it is on the stack, as the session last told. */
  stacked: boolean;
  receipt: Receipt | null;
  /** From Enter to the display, measured on this machine; null where the browser gives no RTP timestamps. */
  shownAfterMs: number | null;
  problem: string | null;
  /** Of one that was refused because the model was taught nothing like it: what it does know. */
  nearest: readonly string[];
}

/** Whether it was refused because the model was taught nothing like it. */
export function isUnknown(entry: Entry): boolean {
  return entry.status === "refused" && entry.nearest.length > 0;
}

export type TimedReceipt = Receipt & { readonly shown_after_ms: number | null };

const KEPT_ENTRIES = 50;
const KEPT_SHOWN = 150;

const LONGEST_INSTRUCTION = 500;

/** What is wrong with an instruction before it is sent; null if nothing is. */
export function objection(text: string): string | null {
  if (text.trim() === "") return "Type an instruction first.";
  const length = [...text.trim()].length;
  if (length > LONGEST_INSTRUCTION) {
    return `Too long: ${length} of at most ${LONGEST_INSTRUCTION} characters.`;
  }
  return null;
}

/** The visitor's instructions over any number of connections; says each and waits for its first picture. */
export class Instructions {
  /** Newest first, each text once. */
  readonly entries: Entry[] = [];
  readonly receipts: TimedReceipt[] = [];
  private shown: Shown[] = [];
  private layers: readonly Layer[] = [];

  constructor(private readonly onChange: () => void) {}

  /** The instruction said last, in force or not. */
  get current(): Entry | null {
    return this.entries[0] ?? null;
  }

  /** What waits for a connection, the first said first. */
  get queued(): Entry[] {
    return this.entries.filter(({ status }) => status === "queued").reverse();
  }

  /** @param place in the place of all instructions, or on top of them */
  add(text: string, place: Place, strength: number): Entry {
    if (place === "alone") {
      for (const older of this.entries) {
        if (["queued", "sending", "accepted"].includes(older.status)) older.status = "replaced";
      }
    }
    const again = this.entries.findIndex((older) => older.text === text);
    if (again !== -1) this.entries.splice(again, 1);
    const entry = newEntry(text, place, strength);
    this.entries.unshift(entry);
    this.entries.splice(KEPT_ENTRIES);
    return entry;
  }

  /** What was said in these words; a new entry, of no list, where they came with a preset. */
  entryOf(text: string): Entry {
    return this.entries.find((entry) => entry.text === text) ?? newEntry(text, "top", 1);
  }

  /** @param asker null while there is no connection: the instruction then waits for one */
  async send(entry: Entry, asker: Asker | null): Promise<void> {
    const { text, place, strength } = entry;
    entry.askedAt = performance.now();
    entry.ack = null;
    entry.unanswered = false;
    entry.stacked = false;
    entry.problem = null;
    entry.nearest = [];
    entry.receipt = null;
    entry.shownAfterMs = null;
    entry.status = asker === null ? "queued" : "sending";
    this.onChange();
    if (asker === null) return;
    try {
      entry.ack = await asker.ask({ type: "instruction", text, strength, place });
      // The receipt may have overtaken the continuation of this await.
      if (entry.status === "sending") entry.status = "accepted";
      entry.stacked = this.isOnStack(entry);
    } catch (error) {
      if (error instanceof Refused) {
        entry.status = "refused";
        entry.problem = sentence(error.detail || error.code);
        entry.nearest = error.nearest;
      } else if (error instanceof Unanswered) {
        entry.unanswered = true;
        if (entry.status === "sending") entry.status = "queued";
      } else {
        throw error;
      }
    }
    this.onChange();
  }

  /** The stack has changed: what was taken off it before its first picture gets no receipt, put back or not. */
  follow(layers: readonly Layer[]): void {
    this.layers = layers;
    for (const entry of this.entries) {
      const before = entry.stacked;
      entry.stacked = this.isOnStack(entry);
      if (before && !entry.stacked && entry.status === "accepted") entry.status = "replaced";
      if (!before && entry.stacked && entry.status === "replaced") entry.status = "applied";
    }
  }

  receive(receipt: Receipt): void {
    const entry =
      this.entries.find((one) => one.ack?.instruction_id === receipt.instruction_id) ??
      this.entries.find((one) => one.text === receipt.text && one.receipt === null);
    if (entry !== undefined) {
      entry.receipt = receipt;
      if (entry.status !== "replaced") entry.status = "applied";
      const first = this.shown.find((shown) => carries(shown, receipt));
      if (first !== undefined) entry.shownAfterMs = sinceAsked(entry, first);
    }
    this.receipts.push({ ...receipt, shown_after_ms: entry?.shownAfterMs ?? null });
  }

  /** A frame is on the screen: it may be the first that shows the instruction said last. */
  see(shown: Shown): void {
    this.shown.push(shown);
    if (this.shown.length > KEPT_SHOWN) this.shown.shift();
    const { current } = this;
    if (!current?.receipt || current.shownAfterMs !== null) return;
    if (!carries(shown, current.receipt)) return;
    current.shownAfterMs = sinceAsked(current, shown);
    const last = this.receipts.length - 1;
    const receipt = this.receipts[last];
    if (receipt?.instruction_id === current.receipt.instruction_id) {
      this.receipts[last] = { ...receipt, shown_after_ms: current.shownAfterMs };
    }
    this.onChange();
  }

  /**
   * The connection is gone: its pictures are no longer awaited, and the next session has to be told again.
   *
   * @param kept what it is told
   */
  lose(kept: readonly KeptLayer[]): void {
    this.shown = [];
    this.layers = [];
    for (const entry of this.entries) {
      entry.stacked = false;
      if (entry.status === "refused") continue;
      if (kept.some(({ text }) => text === entry.text)) entry.status = "queued";
      else if (entry.status !== "applied") entry.status = "replaced";
    }
  }

  private isOnStack({ ack }: Entry): boolean {
    return this.layers.some(({ instruction_id }) => instruction_id === ack?.instruction_id);
  }
}

function newEntry(text: string, place: Place, strength: number): Entry {
  return {
    text,
    place,
    strength,
    askedAt: performance.now(),
    status: "queued",
    ack: null,
    unanswered: false,
    stacked: false,
    receipt: null,
    shownAfterMs: null,
    problem: null,
    nearest: [],
  };
}

function carries(shown: Shown, receipt: Receipt): boolean {
  return (
    shown.rtp !== null &&
    receipt.rtp_timestamp !== null &&
    atOrAfter(shown.rtp, receipt.rtp_timestamp)
  );
}

function sinceAsked(entry: Entry, shown: Shown): number {
  return shown.shownAtMs - (performance.timeOrigin + entry.askedAt);
}
