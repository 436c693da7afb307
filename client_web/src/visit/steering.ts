import type { Edits } from "../messages/control";
import type { Stats } from "../messages/stats";
import { untilStill } from "../rtc/pictures";
import { askedToWaitS, type Viewing, watch } from "../rtc/whep";
import type { Api, SessionAddress } from "../server/api";
import { Backoff } from "../server/backoff";
import { type Http, Problem, Unreachable } from "../server/http";
import { SessionCalls } from "../server/session_calls";
import { describe, type Trouble } from "../troubles";
import { Staying } from "./staying";
import { troubleOf } from "./trouble";

/**
 * A stay with a picture that something else sends, as OBS does by WHIP: watches the edit and steers it.
 *
 * The sender's token says which session: the newest that was published with it. When that ends the next one is watched,
 * and told what was asked of the last, as far as nobody has asked it anything.
 */
export class Steering extends Staying {
  session: SessionAddress | null = null;
  stats: Stats | null = null;
  readonly measured = null;
  readonly source = null;
  /** Soon enough for who presses Start Streaming and looks here. */
  protected override readonly backoff = new Backoff(500, 3_000);
  private readonly leaving = new AbortController();
  private viewing: Viewing | null = null;
  private calls: SessionCalls | null = null;
  private watchEnd = new AbortController();
  /** Of the last session that was steered. */
  private steered: string | null = null;

  constructor(
    private readonly http: Http,
    api: Api,
    private readonly video: HTMLVideoElement,
    private readonly token: string,
    onChange: () => void,
  ) {
    super(api, onChange);
  }

  protected get asker(): SessionCalls | null {
    return this.calls;
  }

  protected finish(): void {
    this.watchEnd.abort();
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
        this.trouble = steeringTroubleOf(error);
      }
      if (signal.aborted) return;
      this.state = "waiting";
      const over = this.pause.take(this.trouble.retries ? this.backoff.next(askedMs) : null);
      this.onChange();
      await over;
      this.onChange();
    }
  }

  /** The session goes on without this page, and so does a recording. */
  end(): void {
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
      () => this.finish(),
    );
    this.settleState();
    await untilStill(connection, () => this.becomePictured(), this.watchEnd.signal);
  }

  private drop(): void {
    // A stream that ends takes its recording along; one that only this page has lost goes on, recording included.
    if (this.serverState === "closed") this.take.leave(this.session);
    else this.take.cutOff(this.session);
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

  protected override follow(edits: Edits): void {
    const isNew = this.session !== null && this.session.id !== this.steered;
    this.steered = this.session?.id ?? this.steered;
    if (isNew && edits.layers.length === 0) {
      this.wanted.edits = edits;
      void this.wanted.restore(this, (text) => this.instructions.entryOf(text));
    } else {
      this.wanted.hear(edits);
    }
    this.sendQueued(edits);
  }

  /** Say what was asked for while nothing came, in its order, but nothing that is on the stack already. */
  private sendQueued({ layers }: Edits): void {
    const said: Promise<unknown>[] = [];
    for (const entry of this.instructions.queued) {
      const { text, place, strength } = entry;
      // What is on the stack among others is not yet there alone, if nobody was told so.
      const isThere = layers.some((layer) => layer.text === text);
      if (isThere && (place === "top" || entry.unanswered)) {
        entry.status = "applied";
        continue;
      }
      this.wanted.keep(text, place, strength);
      said.push(this.send(entry, place, strength));
    }
    if (said.length > 0) void this.wanted.holdUntil(Promise.all(said));
  }
}

function steeringTroubleOf(error: unknown): Trouble {
  const status = error instanceof Problem ? error.status : null;
  if (status === 404) return describe("nothing-sent");
  if (status === 401) {
    return describe(
      "token-needed",
      "It did not take the one given here. Enter the bearer token that the sender sends with.",
    );
  }
  return troubleOf(error);
}
