import { type Api, type OpenedSession, Problem, Unreachable } from "./api";
import { Backoff } from "./backoff";
import type { Source } from "./camera";
import { Control, type ControlEvent, Refused, Unanswered } from "./control";
import type {
  Ack,
  ControlRequest,
  Edits,
  Layer,
  Place,
  Receipt,
  Recording,
  SessionState,
  Warning,
} from "./messages";
import { ConnectionFailed, connect, hintMotion, type Peer } from "./peer";
import { atOrAfter } from "./rtp";
import { type Shown, Statistics } from "./statistics";
import { describe, type Trouble } from "./troubles";

export type VisitState =
  | "connecting"
  | "live"
  | "frozen"
  | "degraded"
  /** Something is in the way; the page tries again by itself, or says what to do. */
  | "waiting"
  | "ended";

/** One instruction the visitor gave, from Enter to the first picture that shows it. */
export interface Entry {
  readonly text: string;
  /** performance.now() when it was last sent. */
  askedAt: number;
  status: "queued" | "sending" | "accepted" | "applied" | "refused" | "replaced";
  ack: Ack | null;
  receipt: Receipt | null;
  /** From Enter to the display, measured on this machine; null where the browser gives no RTP timestamps. */
  shownAfterMs: number | null;
  problem: string | null;
}

interface Link {
  readonly session: OpenedSession;
  readonly peer: Peer;
  readonly control: Control;
  readonly statistics: Statistics;
}

/** No word on the telemetry channel for so long means that the server or the network is gone. */
const SILENCE_MS = 5_000;
/** ICE calls a connection "disconnected" for a moment now and then; longer is lost. */
const DISCONNECTED_MS = 3_000;
/** How long the connection outlives the request to end its session. */
const CLOSING_MS = 300;
const WARMING_RETRY_MS = 1_000;
const KEPT_ENTRIES = 50;
const KEPT_SHOWN = 150;
const PRESET_TRANSITION_MS = 600;
const STRENGTH_SETTLES_MS = 500;

/** A server answer or a lost connection in a visitor's words. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof ModelFailed) return describe("model-failed", sentence(error.message));
  if (error instanceof Unreachable) return describe("server-unreachable");
  // Besides our own: what the browser says about a connection it cannot make.
  if (error instanceof ConnectionFailed || error instanceof DOMException) {
    return describe("connection-failed");
  }
  if (error instanceof Problem) {
    if (error.status === 401) return describe("token-needed");
    if (error.status === 503 || error.status === 429) return describe("server-full");
    if (error.status === 404) return describe("connection-lost");
    return describe("server-refused", sentence(error.detail || error.title));
  }
  throw error;
}

/**
 * One visitor's stay: keeps the source, the instruction, its strength and the history while connections come and go.
 *
 * Reads as a loop (`run`): open a session, live in it until it ends, wait a little, open the next.
 */
export class Visit {
  state: VisitState = "connecting";
  trouble: Trouble | null = null;
  /** performance.now() of the next attempt; null when none is planned. */
  retryAt: number | null = null;
  warning: Warning | null = null;
  strength = 1;
  frozen = false;
  /** Newest first. */
  readonly history: Entry[] = [];
  readonly receipts: (Receipt & { readonly shown_after_ms: number | null })[] = [];
  reconnects = 0;
  /** The stack as the server tells it; null without a connection. */
  edits: Edits | null = null;
  recording: Recording | null = null;
  /** performance.now() when the recording under way began. */
  recordingSince: number | null = null;
  /** The files of the last recording that ended. */
  readonly recorded: { name: string; url: URL }[] = [];
  /** What the server last refused besides an instruction. */
  refusal: string | null = null;
  link: Link | null = null;
  /** Whether the present connection has shown a picture yet. */
  pictured = false;

  private readonly leaving = new AbortController();
  private readonly backoff = new Backoff();
  private hurry: (() => void) | null = null;
  private shown: Shown[] = [];
  private kept: readonly Layer[] = [];
  private strengthSetAt = Number.NEGATIVE_INFINITY;
  private serverState: SessionState | null = null;
  private linkEnded: (() => void) | null = null;

  constructor(
    private readonly api: Api,
    private readonly video: HTMLVideoElement,
    public source: Source,
    private readonly model: string | null,
    private readonly onChange: () => void,
  ) {}

  /** The instruction in force. */
  get current(): Entry | null {
    return this.history[0] ?? null;
  }

  /** Stay until `end`; never throws for what the visitor can be told instead. */
  async run(): Promise<void> {
    const { signal } = this.leaving;
    while (!signal.aborted) {
      let trouble: Trouble;
      let waitMs = 0;
      try {
        await this.stay(signal);
        this.reconnects += 1;
        trouble = describe("connection-lost");
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Warming) {
          trouble = describe("server-warming", sentence(error.message));
          waitMs = WARMING_RETRY_MS;
        } else {
          trouble = troubleOf(error);
          const asked = error instanceof Problem ? (error.retryAfterS ?? 0) * 1000 : 0;
          waitMs = this.backoff.next(asked);
        }
      }
      if (signal.aborted) return;
      // The first return after a loss is immediate enough not to be counted down.
      await this.wait(trouble, waitMs === 0 ? this.backoff.next() : waitMs);
    }
  }

  /** @param place in the place of all instructions, or on top of them */
  apply(text: string, place: Place = "alone"): void {
    const entry: Entry = {
      text,
      askedAt: performance.now(),
      status: "queued",
      ack: null,
      receipt: null,
      shownAfterMs: null,
      problem: null,
    };
    if (place === "alone") {
      for (const older of this.history) {
        if (["queued", "sending", "accepted"].includes(older.status)) older.status = "replaced";
      }
    }
    const again = this.history.findIndex((older) => older.text === text);
    if (again !== -1) this.history.splice(again, 1);
    this.history.unshift(entry);
    this.history.splice(KEPT_ENTRIES);
    this.warning = null;
    void this.send(entry, place);
  }

  setStrength(strength: number): void {
    this.strength = strength;
    this.strengthSetAt = performance.now();
    this.tell({ type: "strength", value: strength });
    this.onChange();
  }

  setFrozen(frozen: boolean): void {
    this.frozen = frozen;
    this.tell({ type: "freeze", frozen });
    this.settleState();
  }

  undo(): void {
    this.tell({ type: "undo" });
  }

  redo(): void {
    this.tell({ type: "redo" });
  }

  setBypassed(bypassed: boolean): void {
    this.tell({ type: "bypass", bypassed });
  }

  switchLayer(layer: Layer, enabled: boolean): void {
    this.tell({ type: "layer", instruction_id: layer.instruction_id, enabled });
  }

  moveLayer(layer: Layer, position: number): void {
    this.tell({ type: "layer", instruction_id: layer.instruction_id, position });
  }

  removeLayer(layer: Layer): void {
    this.tell({ type: "remove", instruction_id: layer.instruction_id });
  }

  followPreset(presetId: string): void {
    this.tell({ type: "preset", preset_id: presetId, transition_ms: PRESET_TRANSITION_MS });
  }

  /** Begin to record, or end it. */
  toggleRecording(original: boolean): void {
    if (this.recordingSince === null) this.tell({ type: "record", original });
    else this.tell({ type: "stop_recording" });
  }

  /** Send another camera or clip on the same connection: no reconnect, the edit goes on. */
  async replaceSource(source: Source): Promise<void> {
    this.source.close();
    this.source = source;
    hintMotion(source.track);
    await this.link?.peer.sender.replaceTrack(source.track);
    this.onChange();
  }

  retryNow(): void {
    this.hurry?.();
  }

  end(): void {
    this.leaving.abort();
    this.hurry?.();
    this.linkEnded?.();
    this.source.close();
    this.state = "ended";
  }

  /** One connection, from opening a session until it is lost. */
  private async stay(signal: AbortSignal): Promise<void> {
    if (this.state !== "waiting") this.state = "connecting";
    this.onChange();
    const notReady = await this.api.notReady(signal);
    if (notReady?.warming) throw new Warming(notReady.detail);
    if (notReady !== null) throw new ModelFailed(notReady.detail);

    const session = await this.api.openSession(this.model, signal);
    try {
      const { track } = this.source;
      const peer = await connect(
        track,
        session,
        (sdp) => this.api.offer(session, sdp, signal),
        signal,
      );
      // The visitor may have changed the source while the connection was being made.
      if (this.source.track !== track) await peer.sender.replaceTrack(this.source.track);
      await this.live(session, peer);
    } finally {
      // Before the connection closes, so that the server hears it from us and not from the silence.
      await Promise.race([this.api.closeSession(session), pause(CLOSING_MS)]);
      this.drop();
    }
  }

  private async live(session: OpenedSession, peer: Peer): Promise<void> {
    const { connection } = peer;
    this.video.srcObject = peer.edited;
    void this.video.play().catch(() => {
      // Interrupted by the next srcObject; that one plays.
    });
    this.pictured = false;
    this.shown = [];
    this.serverState = null;
    const ended = new Promise<void>((resolve) => {
      this.linkEnded = resolve;
    });
    const lost = () => this.linkEnded?.();
    this.link = {
      session,
      peer,
      control: new Control(peer.control, (event) => this.heard(event)),
      statistics: new Statistics(
        this.video,
        connection,
        peer.telemetry,
        (shown) => this.see(shown),
        this.onChange,
      ),
    };
    let disconnectedFor: ReturnType<typeof setTimeout> | undefined;
    connection.addEventListener("connectionstatechange", () => {
      clearTimeout(disconnectedFor);
      if (["failed", "closed"].includes(connection.connectionState)) lost();
      if (connection.connectionState === "disconnected") {
        disconnectedFor = setTimeout(lost, DISCONNECTED_MS);
      }
    });
    peer.control.addEventListener("close", lost);
    const watch = setInterval(() => {
      const heardAt = this.link?.statistics.heardAt ?? null;
      if (heardAt !== null && performance.now() - heardAt > SILENCE_MS) lost();
      // Browsers without requestVideoFrameCallback tell of the first picture only like this.
      if (!this.pictured && this.video.readyState >= 2 && this.video.currentTime > 0) {
        this.becomePictured();
      }
    }, 250);

    void this.restore();
    if (this.strength !== 1) this.tell({ type: "strength", value: this.strength });
    if (this.frozen) this.tell({ type: "freeze", frozen: true });
    this.settleState();
    try {
      await ended;
    } finally {
      clearInterval(watch);
      clearTimeout(disconnectedFor);
    }
  }

  private async wait(trouble: Trouble, ms: number): Promise<void> {
    this.trouble = trouble;
    this.state = "waiting";
    this.retryAt = trouble.retries ? performance.now() + ms : null;
    this.onChange();
    await new Promise<void>((resolve) => {
      const timer = trouble.retries ? setTimeout(resolve, ms) : undefined;
      this.hurry = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.hurry = null;
    this.retryAt = null;
    this.onChange();
  }

  private drop(): void {
    this.link?.statistics.close();
    this.link?.peer.connection.close();
    this.link = null;
    this.linkEnded = null;
    this.pictured = false;
    this.warning = null;
    this.edits = null;
    this.recordingSince = null;
    const { current } = this;
    // It is in force no more: the next session has to be told again.
    if (current !== null && current.status !== "refused") current.status = "queued";
  }

  /** Tell a new session what showed in the last one. */
  private async restore(): Promise<void> {
    const { current, kept } = this;
    if (kept.length < 2) {
      if (current !== null) await this.send(current);
      return;
    }
    for (const [index, layer] of kept.entries()) {
      const place = index === 0 ? "alone" : "top";
      if (current?.text === layer.text) await this.send(current, place);
      else this.tell({ type: "instruction", text: layer.text, strength: layer.strength, place });
    }
  }

  private async send(entry: Entry, place: Place = "alone"): Promise<void> {
    const { link } = this;
    entry.askedAt = performance.now();
    entry.ack = null;
    entry.problem = null;
    entry.receipt = null;
    entry.shownAfterMs = null;
    entry.status = link === null ? "queued" : "sending";
    this.onChange();
    if (link === null) return;
    try {
      entry.ack = await link.control.ask({
        type: "instruction",
        text: entry.text,
        strength: place === "alone" ? this.strength : 1,
        place,
      });
      // The receipt may have overtaken the continuation of this await.
      if (entry.status === "sending") entry.status = "accepted";
    } catch (error) {
      if (error instanceof Refused) {
        entry.status = "refused";
        entry.problem = sentence(error.detail || error.code);
      } else if (error instanceof Unanswered) {
        if (entry.status === "sending") entry.status = "queued";
      } else {
        throw error;
      }
    }
    this.onChange();
  }

  private tell(request: ControlRequest): void {
    this.refusal = null;
    this.link?.control.ask(request).catch((error: unknown) => {
      if (!(error instanceof Refused || error instanceof Unanswered)) throw error;
      if (error instanceof Refused) this.refusal = sentence(error.detail);
      this.onChange();
    });
  }

  private takeEdits(edits: Edits): void {
    this.edits = edits;
    // What a new session says of itself before it has been told anything is not what showed.
    if (edits.layers.length > 0 || edits.can_undo) this.kept = edits.layers;
    const top = edits.layers.at(-1);
    // While the slider is dragged, what it was a moment ago is no news.
    if (top !== undefined && performance.now() - this.strengthSetAt > STRENGTH_SETTLES_MS) {
      this.strength = top.strength;
    }
    this.frozen = edits.frozen;
    this.settleState();
  }

  private takeRecording(recording: Recording): void {
    const { link } = this;
    this.recording = recording;
    this.recordingSince = recording.state === "recording" ? performance.now() : null;
    this.recorded.length = 0;
    if (recording.state === "recording" || link === null) return;
    for (const name of recording.files) {
      this.recorded.push({ name, url: this.api.recordedFile(link.session, recording.id, name) });
    }
  }

  private heard(event: ControlEvent): void {
    switch (event.type) {
      case "receipt":
        this.receive(event);
        break;
      case "warning":
        this.warning = event;
        break;
      case "state":
        this.serverState = event.state;
        if (event.state === "closed") this.linkEnded?.();
        this.settleState();
        break;
      case "edits":
        this.takeEdits(event);
        break;
      case "recording":
        this.takeRecording(event);
        break;
    }
    this.onChange();
  }

  private receive(receipt: Receipt): void {
    const entry =
      this.history.find((one) => one.ack?.instruction_id === receipt.instruction_id) ??
      this.history.find((one) => one.text === receipt.text && one.receipt === null);
    if (entry !== undefined) {
      entry.receipt = receipt;
      if (entry.status !== "replaced") entry.status = "applied";
      const first = this.shown.find((shown) => carries(shown, receipt));
      if (first !== undefined) entry.shownAfterMs = sinceAsked(entry, first);
    }
    this.receipts.push({ ...receipt, shown_after_ms: entry?.shownAfterMs ?? null });
  }

  private see(shown: Shown): void {
    this.shown.push(shown);
    if (this.shown.length > KEPT_SHOWN) this.shown.shift();
    if (!this.pictured) this.becomePictured();
    const { current } = this;
    if (current?.receipt && current.shownAfterMs === null && carries(shown, current.receipt)) {
      current.shownAfterMs = sinceAsked(current, shown);
      const last = this.receipts.length - 1;
      const receipt = this.receipts[last];
      if (receipt?.instruction_id === current.receipt.instruction_id) {
        this.receipts[last] = { ...receipt, shown_after_ms: current.shownAfterMs };
      }
      this.onChange();
    }
  }

  private becomePictured(): void {
    this.pictured = true;
    this.backoff.reset();
    this.settleState();
  }

  private settleState(): void {
    if (this.link === null) return;
    if (!this.pictured) {
      if (this.state !== "waiting") this.state = "connecting";
    } else {
      this.trouble = null;
      if (this.frozen || this.serverState === "frozen") this.state = "frozen";
      else if (this.serverState === "degraded") this.state = "degraded";
      else this.state = "live";
    }
    this.onChange();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The server answers, but its model is not ready. */
class Warming extends Error {}

/** The server answers, but will never be ready. */
class ModelFailed extends Error {}

/** The server's details are clauses: "the model is loading". */
function sentence(clause: string): string {
  const ended = /[.!?…]$/.test(clause) ? clause : `${clause}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
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
