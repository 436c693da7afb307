import type { ControlRequest, Place, SessionState, Warning } from "../messages/control";
import type { Stats } from "../messages/stats";
import { Control, type ControlEvent, Refused, Unanswered } from "../rtc/control";
import { connect, hintMotion, type Peer } from "../rtc/peer";
import { type Measured, type Shown, Statistics } from "../rtc/statistics";
import type { Api, OpenedSession } from "../server/api";
import { Backoff } from "../server/backoff";
import { Problem } from "../server/http";
import type { Source } from "../sources/camera";
import { describe, type Trouble } from "../troubles";
import { type Entry, Instructions } from "./instructions";
import { type Link, lost } from "./link";
import { Pause } from "./pause";
import { pictureState, type Stay, type VisitState } from "./stay";
import { Take } from "./take";
import { ModelFailed, sentence, troubleOf, Warming } from "./trouble";
import { Wanted } from "./wanted";

/** How long the connection outlives the request to end its session. */
const CLOSING_MS = 300;
const WARMING_RETRY_MS = 1_000;

/**
 * One visitor's stay: keeps the source, the instruction, its strength and the history while connections come and go.
 *
 * Reads as a loop (`run`): open a session, live in it until it ends, wait a little, open the next.
 */
export class Visit implements Stay {
  state: VisitState = "connecting";
  trouble: Trouble | null = null;
  warning: Warning | null = null;
  readonly wanted = new Wanted();
  readonly instructions: Instructions;
  readonly take: Take;
  reconnects = 0;
  refusal: string | null = null;
  link: Link | null = null;
  pictured = false;

  private readonly leaving = new AbortController();
  private readonly backoff = new Backoff();
  private readonly pause = new Pause();
  private serverState: SessionState | null = null;
  private linkEnd = new AbortController();

  constructor(
    private readonly api: Api,
    private readonly video: HTMLVideoElement,
    public source: Source,
    private readonly model: string | null,
    private readonly onChange: () => void,
  ) {
    this.instructions = new Instructions(onChange);
    this.take = new Take(api);
  }

  get retryAt(): number | null {
    return this.pause.until;
  }

  get session(): OpenedSession | null {
    return this.link?.session ?? null;
  }

  get stats(): Stats | null {
    return this.link?.statistics.stats ?? null;
  }

  get measured(): Measured | null {
    return this.link?.statistics.measured ?? null;
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
        trouble = troubleOf(error);
        const asked = error instanceof Problem ? (error.retryAfterS ?? 0) * 1000 : 0;
        waitMs = error instanceof Warming ? WARMING_RETRY_MS : this.backoff.next(asked);
      }
      if (signal.aborted) return;
      // The first return after a loss is immediate enough not to be counted down.
      await this.wait(trouble, waitMs === 0 ? this.backoff.next() : waitMs);
    }
  }

  apply(text: string, place: Place = "alone"): void {
    const entry = this.instructions.add(text, place);
    const strength = this.wanted.strengthAt(place);
    this.wanted.keep(text, place);
    this.warning = null;
    this.refusal = null;
    void this.wanted.holdUntil(this.send(entry, place, strength));
  }

  setStrength(strength: number): void {
    this.wanted.setStrength(strength);
    void this.tell({ type: "strength", value: strength });
    this.onChange();
  }

  setFrozen(frozen: boolean): void {
    this.wanted.frozen = frozen;
    this.wanted.toFreeze = frozen && !this.pictured;
    if (!this.wanted.toFreeze) void this.tell({ type: "freeze", frozen });
    this.settleState();
  }

  /** Say an instruction, also one that was said before; resolves to the server's name for it. */
  async send(entry: Entry, place: Place, strength: number): Promise<string | null> {
    await this.instructions.send(entry, this.link?.control ?? null, strength, place);
    return entry.ack?.instruction_id ?? null;
  }

  toggleRecording(original: boolean): void {
    void this.tell(
      this.take.since === null ? { type: "record", original } : { type: "stop_recording" },
    );
  }

  async tell(request: ControlRequest): Promise<void> {
    this.refusal = null;
    try {
      await this.link?.control.ask(request);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unanswered)) throw error;
      if (error instanceof Refused) this.refusal = sentence(error.detail);
      this.onChange();
    }
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
    this.pause.cut();
  }

  end(): void {
    this.take.leave(this.session);
    this.leaving.abort();
    this.pause.cut();
    this.linkEnd.abort();
    this.source.close();
    // Its last picture would show through under the next visit's first.
    this.video.srcObject = null;
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
    let peer: Peer | null = null;
    try {
      let { track } = this.source;
      peer = await connect(track, session, (sdp) => this.api.offer(session, sdp, signal), signal);
      // The visitor may have changed the source while the connection was being made.
      while (this.source.track !== track) {
        track = this.source.track;
        await peer.sender.replaceTrack(track);
      }
      signal.throwIfAborted();
      await this.live(session, peer);
    } finally {
      // Before the connection closes, so that the server hears it from us and not from the silence.
      const patience = new Promise((resolve) => setTimeout(resolve, CLOSING_MS));
      await Promise.race([this.api.closeSession(session), patience]);
      this.drop();
      peer?.connection.close();
    }
  }

  private async live(session: OpenedSession, peer: Peer): Promise<void> {
    this.video.srcObject = peer.edited;
    void this.video.play().catch(() => {
      // Interrupted by the next srcObject; that one plays.
    });
    this.pictured = false;
    this.serverState = null;
    this.linkEnd = new AbortController();
    this.link = {
      session,
      peer,
      control: new Control(peer.control, (event) => this.heard(event)),
      statistics: new Statistics(
        this.video,
        peer.connection,
        peer.telemetry,
        (shown) => this.see(shown),
        this.onChange,
      ),
    };
    void this.wanted.restore(this, (text) => this.instructions.entryOf(text));
    this.settleState();
    await lost(this.link, this.linkEnd.signal, () => {
      // Browsers without requestVideoFrameCallback tell of the first picture only like this.
      if (!this.pictured && this.video.readyState >= 2 && this.video.currentTime > 0) {
        this.becomePictured();
      }
    });
  }

  private async wait(trouble: Trouble, ms: number): Promise<void> {
    this.trouble = trouble;
    this.state = "waiting";
    const over = this.pause.take(trouble.retries ? ms : null);
    this.onChange();
    await over;
    this.onChange();
  }

  private drop(): void {
    this.take.lose(this.session);
    this.link?.statistics.close();
    this.link?.control.abandon();
    this.link = null;
    this.pictured = false;
    this.warning = null;
    this.wanted.lose();
    this.instructions.lose();
  }

  private heard(event: ControlEvent): void {
    switch (event.type) {
      case "receipt":
        this.instructions.receive(event);
        break;
      case "warning":
        this.warning = event;
        break;
      case "state":
        this.serverState = event.state;
        if (event.state === "closed") this.linkEnd.abort();
        this.settleState();
        break;
      case "edits":
        this.wanted.hear(event);
        this.settleState();
        break;
      case "recording":
        this.take.hear(event, this.session);
        break;
    }
    this.onChange();
  }

  private see(shown: Shown): void {
    if (!this.pictured) this.becomePictured();
    this.instructions.see(shown);
  }

  private becomePictured(): void {
    this.pictured = true;
    this.backoff.reset();
    this.wanted.pictured(this);
    this.settleState();
  }

  private settleState(): void {
    if (this.link === null) return;
    if (!this.pictured) {
      if (this.state !== "waiting") this.state = "connecting";
    } else {
      this.trouble = null;
      this.state = pictureState(this.wanted.frozen, this.serverState);
    }
    this.onChange();
  }
}
