import type { ControlRequest, Edits, Place, SessionState, Warning } from "../messages/control";
import type { Stats } from "../messages/stats";
import { type Asker, type ControlEvent, Refused, Unanswered } from "../rtc/control";
import type { Measured } from "../rtc/statistics";
import type { Api, SessionAddress } from "../server/api";
import { Backoff } from "../server/backoff";
import type { Source } from "../sources/camera";
import type { Trouble } from "../troubles";
import { type Entry, Instructions } from "./instructions";
import { Pause } from "./pause";
import type { Stay, VisitState } from "./stay";
import { Take } from "./take";
import { sentence } from "./trouble";
import { Wanted } from "./wanted";

/** What every stay does alike: asks, hears what the session says, and knows how it stands. */
export abstract class Staying implements Stay {
  state: VisitState = "connecting";
  trouble: Trouble | null = null;
  warning: Warning | null = null;
  refusal: string | null = null;
  reconnects = 0;
  pictured = false;
  readonly wanted = new Wanted();
  readonly instructions: Instructions;
  readonly take: Take;
  abstract readonly source: Source | null;
  abstract readonly session: SessionAddress | null;
  abstract readonly stats: Stats | null;
  abstract readonly measured: Measured | null;

  protected readonly backoff = new Backoff();
  protected readonly pause = new Pause();
  protected serverState: SessionState | null = null;

  constructor(
    protected readonly api: Api,
    protected readonly onChange: () => void,
  ) {
    this.instructions = new Instructions(onChange);
    this.take = new Take(api);
  }

  /** Whoever answers; null without a connection. */
  protected abstract get asker(): Asker | null;
  /** The session has ended. */
  protected abstract finish(): void;
  abstract end(): void;

  get retryAt(): number | null {
    return this.pause.until;
  }

  apply(text: string, place: Place = "alone"): void {
    const strength = this.wanted.strengthAt(place);
    const entry = this.instructions.add(text, place, strength);
    this.wanted.keep(text, place, strength);
    this.warning = null;
    this.refusal = null;
    void this.wanted.holdUntil(this.send(entry, place, strength));
  }

  /** Say an instruction, also one that was said before; resolves to the server's name for it. */
  async send(entry: Entry, place: Place, strength: number): Promise<string | null> {
    entry.place = place;
    entry.strength = strength;
    await this.instructions.send(entry, this.asker);
    return entry.ack?.instruction_id ?? null;
  }

  setStrength(strength: number): void {
    this.wanted.setStrength(strength);
    const top = this.wanted.kept.at(-1);
    if (top !== undefined) this.instructions.entryOf(top.text).strength = strength;
    void this.tell({ type: "strength", value: strength });
    this.onChange();
  }

  setFrozen(frozen: boolean): void {
    this.wanted.frozen = frozen;
    this.wanted.toFreeze = frozen && !this.pictured;
    if (!this.wanted.toFreeze) void this.tell({ type: "freeze", frozen });
    this.settleState();
  }

  async toggleRecording(original: boolean): Promise<void> {
    const request = this.take.toggle(original);
    if (!(await this.tell(request))) this.take.refuse(request);
  }

  async tell(request: ControlRequest): Promise<boolean> {
    this.refusal = null;
    try {
      await this.asker?.ask(request);
      return true;
    } catch (error) {
      if (!(error instanceof Refused || error instanceof Unanswered)) throw error;
      if (error instanceof Refused) this.refusal = sentence(error.detail);
      this.onChange();
      return false;
    }
  }

  retryNow(): void {
    this.pause.cut();
  }

  protected heard(event: ControlEvent): void {
    switch (event.type) {
      case "receipt":
        this.instructions.receive(event);
        break;
      case "warning":
        this.warning = event;
        break;
      case "state":
        // The editor has recovered from what it was warned of.
        if (this.serverState === "degraded" && event.state === "live") this.warning = null;
        this.serverState = event.state;
        if (event.state === "closed") this.finish();
        this.settleState();
        break;
      case "edits":
        if (this.isAnotherStack(event)) this.forgetInstructionWarning();
        this.instructions.follow(event.layers);
        this.follow(event);
        this.settleState();
        break;
      case "recording":
        this.take.hear(event, this.session);
        break;
    }
    this.onChange();
  }

  private isAnotherStack({ layers }: Edits): boolean {
    const before = this.wanted.edits?.layers;
    if (before === undefined) return false;
    return (
      layers.length !== before.length ||
      layers.some(({ instruction_id }, index) => instruction_id !== before[index]?.instruction_id)
    );
  }

  /** What is warned of about the picture itself is as true of the next stack. */
  private forgetInstructionWarning(): void {
    if (this.warning?.code.includes("instruction")) this.warning = null;
  }

  protected follow(edits: Edits): void {
    this.wanted.hear(edits);
  }

  protected becomePictured(): void {
    if (this.pictured) return;
    this.pictured = true;
    this.backoff.reset();
    this.wanted.pictured(this);
    this.settleState();
  }

  protected settleState(): void {
    if (this.session === null) return;
    if (this.pictured) {
      this.trouble = null;
      const { serverState } = this;
      if (this.wanted.frozen || serverState === "frozen") this.state = "frozen";
      else this.state = serverState === "degraded" ? "degraded" : "live";
    } else if (this.state !== "waiting") this.state = "connecting";
    this.onChange();
  }
}
