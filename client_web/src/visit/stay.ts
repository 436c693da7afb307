import type { ControlRequest, Place, Warning } from "../messages/control";
import type { Stats } from "../messages/stats";
import type { Measured } from "../rtc/statistics";
import type { SessionAddress } from "../server/api";
import type { Source } from "../sources/camera";
import type { Trouble } from "../troubles";
import type { Instructions } from "./instructions";
import type { Take } from "./take";
import type { Wanted } from "./wanted";

export type VisitState =
  | "connecting"
  | "live"
  | "frozen"
  | "degraded"
  /** Something is in the way; the page tries again by itself, or says what to do. */
  | "waiting"
  | "ended";

/** A stay on the live page, as it shows and what it can be asked: with a picture of one's own, or with another's. */
export interface Stay {
  readonly state: VisitState;
  readonly trouble: Trouble | null;
  /** performance.now() of the next attempt; null when none is planned. */
  readonly retryAt: number | null;
  readonly warning: Warning | null;
  /** What the server last refused besides an instruction. */
  readonly refusal: string | null;
  readonly reconnects: number;
  /** Whether the present connection has shown a picture yet. */
  readonly pictured: boolean;
  /** What the page itself sends; null where something else does. */
  readonly source: Source | null;
  /** Null without a connection. */
  readonly session: SessionAddress | null;
  readonly stats: Stats | null;
  readonly measured: Measured | null;
  readonly wanted: Wanted;
  readonly instructions: Instructions;
  readonly take: Take;

  /** @param place in the place of all instructions, or on top of them */
  apply(text: string, place?: Place): void;
  setStrength(strength: number): void;
  setFrozen(frozen: boolean): void;
  /** Begin to record, or end it; resolves once that is answered. */
  toggleRecording(original: boolean): Promise<void>;
  /**
   * Ask for anything but an instruction; a refusal is kept for the visitor to read.
   *
   * Resolves once it is answered, or cannot be any more, to whether it was taken.
   */
  tell(request: ControlRequest): Promise<boolean>;
  retryNow(): void;
  end(): void;
}
