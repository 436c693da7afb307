import type { Stats } from "../messages/stats";
import { Control } from "../rtc/control";
import { connect, hintMotion, type Peer } from "../rtc/peer";
import { type Measured, type Shown, Statistics } from "../rtc/statistics";
import type { Api, OpenedSession } from "../server/api";
import { Problem } from "../server/http";
import type { Source } from "../sources/camera";
import { describe, type Trouble } from "../troubles";
import { type Link, lost } from "./link";
import { Staying } from "./staying";
import { ModelFailed, troubleOf, Warming } from "./trouble";

/** How long the connection outlives the request to end its session. */
const CLOSING_MS = 300;
const WARMING_RETRY_MS = 1_000;

/**
 * One visitor's stay: keeps the source, the instruction, its strength and the history while connections come and go.
 *
 * Reads as a loop (`run`): open a session, live in it until it ends, wait a little, open the next.
 */
export class Visit extends Staying {
  link: Link | null = null;
  private readonly leaving = new AbortController();
  private linkEnd = new AbortController();

  constructor(
    api: Api,
    private readonly video: HTMLVideoElement,
    public source: Source,
    private readonly model: string | null,
    onChange: () => void,
  ) {
    super(api, onChange);
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

  protected get asker(): Control | null {
    return this.link?.control ?? null;
  }

  protected finish(): void {
    this.linkEnd.abort();
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

  /** Send another camera or clip on the same connection: no reconnect, the edit goes on. */
  async replaceSource(source: Source): Promise<void> {
    this.source.close();
    this.source = source;
    // What the server warned of may have been about the last picture.
    this.warning = null;
    hintMotion(source.track);
    await this.link?.peer.sender.replaceTrack(source.track);
    this.onChange();
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
    // The session's first words may have come while the source was changed.
    for (const raw of peer.takeEarly()) this.link.control.receive(raw);
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
    this.instructions.lose(this.wanted.kept);
  }

  private see(shown: Shown): void {
    if (!this.pictured) this.becomePictured();
    this.instructions.see(shown);
  }
}
