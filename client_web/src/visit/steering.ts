import type { ControlRequest, Edits, Place, SessionState, Warning } from "../messages/control";
import type { Stats } from "../messages/stats";
import { type ControlEvent, Refused, Unanswered } from "../rtc/control";
import { untilStill } from "../rtc/pictures";
import { askedToWaitS, type Viewing, watch } from "../rtc/whep";
import type { Api, SessionAddress } from "../server/api";
import { Backoff } from "../server/backoff";
import { type Http, Problem, Unreachable } from "../server/http";
import { SessionCalls } from "../server/session_calls";
import { describe, type Trouble } from "../troubles";
import { type Entry, Instructions } from "./instructions";
import { Pause } from "./pause";
import { pictureState, type Stay, type VisitState } from "./stay";
import { Take } from "./take";
import { sentence, troubleOf } from "./trouble";
import { Wanted } from "./wanted";

/**
 * A stay with a picture that something else sends, as OBS does by WHIP: watches the edit and steers it.
 *
 * The sender's token says which session: the newest that was published with it. When that ends the next one is watched,
 * and told what was asked of the last, as far as nobody has asked it anything.
 */
export class Steering implements Stay {
  state: VisitState = "connecting";
  trouble: Trouble | null = null;
  warning: Warning | null = null;
  refusal: string | null = null;
  reconnects = 0;
  pictured = false;
  session: SessionAddress | null = null;
  stats: Stats | null = null;
  readonly measured = null;
  readonly source = null;
  readonly wanted = new Wanted();
  readonly instructions: Instructions;
  readonly take: Take;

  private readonly leaving = new AbortController();
  /** Soon enough for who presses Start Streaming and looks here. */
  private readonly backoff = new Backoff(500, 3_000);
  private readonly pause = new Pause();
  private viewing: Viewing | null = null;
  private calls: SessionCalls | null = null;
  private serverState: SessionState | null = null;
  private watchEnd = new AbortController();
  /** Of the last session that was steered. */
  private steered: string | null = null;

  constructor(
    private readonly http: Http,
    private readonly api: Api,
    private readonly video: HTMLVideoElement,
    readonly token: string,
    private readonly onChange: () => void,
  ) {
    this.instructions = new Instructions(onChange);
    this.take = new Take(api);
  }

  get retryAt(): number | null {
    return this.pause.until;
  }

  /** Stay until `end`; never throws for what the visitor can be told instead. */
  async run(): Promise<void> {
    const { signal } = this.leaving;
    while (!signal.aborted) {
      let askedMs = 0;
      try {
        await this.stay();
        this.reconnects += 1;
        this.trouble = describe("connection-lost");
      } catch (error) {
        askedMs = askedToWaitS(error) * 1000;
        const none = error instanceof Problem && error.status === 404;
        this.trouble = none ? describe("nothing-sent") : troubleOf(error);
      }
      if (signal.aborted) return;
      this.state = "waiting";
      const over = this.pause.take(this.trouble.retries ? this.backoff.next(askedMs) : null);
      this.onChange();
      await over;
      this.onChange();
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

  async send(entry: Entry, place: Place, strength: number): Promise<string | null> {
    await this.instructions.send(entry, this.calls, strength, place);
    return entry.ack?.instruction_id ?? null;
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

  toggleRecording(original: boolean): void {
    void this.tell(
      this.take.since === null ? { type: "record", original } : { type: "stop_recording" },
    );
  }

  async tell(request: ControlRequest): Promise<void> {
    this.refusal = null;
    try {
      await this.calls?.ask(request);
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unanswered)) throw error;
      if (error instanceof Refused) this.refusal = sentence(error.detail);
      this.onChange();
    }
  }

  retryNow(): void {
    this.pause.cut();
  }

  /** The session goes on without this page, and so does a recording. */
  end(): void {
    this.take.forget();
    this.leaving.abort();
    this.watchEnd.abort();
    this.pause.cut();
    this.drop();
    this.video.srcObject = null;
    this.state = "ended";
  }

  /** One session, from watching it until its picture ends. */
  private async stay(): Promise<void> {
    if (this.state !== "waiting") this.state = "connecting";
    this.onChange();
    this.viewing = await watch(new URL("whep", this.http.base), this.token);
    try {
      if (!this.leaving.signal.aborted) await this.live(this.viewing);
    } finally {
      this.drop();
    }
  }

  private async live({ connection, stream, session }: Viewing): Promise<void> {
    const id = session?.pathname.split("/").at(-1);
    if (id === undefined) throw new Unreachable();
    this.session = this.api.session(decodeURIComponent(id), this.token);
    this.serverState = null;
    this.watchEnd = new AbortController();
    this.video.srcObject = stream;
    void this.video.play().catch(() => {
      // Interrupted by the next srcObject; that one plays.
    });
    this.calls = new SessionCalls(
      this.http,
      this.session,
      (event) => this.heard(event),
      (stats) => {
        this.stats = stats;
        this.onChange();
      },
    );
    this.settleState();
    await untilStill(this.video, connection, () => this.becomePictured(), this.watchEnd.signal);
  }

  private drop(): void {
    this.take.lose(this.session);
    this.viewing?.end();
    this.viewing = null;
    this.calls?.close();
    this.calls = null;
    this.session = null;
    this.stats = null;
    this.pictured = false;
    this.warning = null;
    this.wanted.lose();
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
        if (event.state === "closed") this.watchEnd.abort();
        this.settleState();
        break;
      case "edits":
        this.follow(event);
        this.settleState();
        break;
      case "recording":
        this.take.hear(event, this.session);
        break;
    }
    this.onChange();
  }

  private follow(edits: Edits): void {
    const isNew = this.session !== null && this.session.id !== this.steered;
    this.steered = this.session?.id ?? this.steered;
    if (isNew && edits.layers.length === 0) {
      this.wanted.edits = edits;
      void this.wanted.restore(this, (text) => this.instructions.entryOf(text));
      return;
    }
    this.wanted.hear(edits);
    const { current } = this.instructions;
    // Asked for while nothing came.
    if (current?.status === "queued") void this.send(current, "alone", this.wanted.strength);
  }

  private becomePictured(): void {
    if (this.pictured) return;
    this.pictured = true;
    this.backoff.reset();
    this.wanted.pictured(this);
    this.settleState();
  }

  private settleState(): void {
    if (this.session === null) return;
    if (this.pictured) {
      this.trouble = null;
      this.state = pictureState(this.wanted.frozen, this.serverState);
    } else if (this.state !== "waiting") this.state = "connecting";
    this.onChange();
  }
}
