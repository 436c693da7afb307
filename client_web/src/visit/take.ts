import type { Recording } from "../messages/control";
import type { Api, SessionAddress } from "../server/api";

/** Written as soon as a picture has left, so not yet named when a recording begins. */
const EDITED = "edited.mp4";
const ORIGINAL = "original.mp4";

export interface RecordedFile {
  readonly name: string;
  readonly url: URL;
}

/** The recording under way, or the last one that ended. */
export class Take {
  recording: Recording | null = null;
  /** performance.now() when the recording under way began; null while there is none. */
  since: number | null = null;
  /** Of the last recording that ended. */
  readonly files: RecordedFile[] = [];

  /** Whether the recording under way was asked to keep the camera's own picture too. */
  private original = false;

  constructor(private readonly api: Api) {}

  begin(original: boolean): void {
    this.original = original;
  }

  hear(recording: Recording, session: SessionAddress | null): void {
    this.recording = recording;
    const beganAt = performance.now() - 1000 * (recording.duration_s ?? 0);
    this.since = recording.state === "recording" ? beganAt : null;
    this.files.length = 0;
    if (recording.state === "recording" || session === null) return;
    for (const name of recording.files) {
      this.files.push({ name, url: this.api.recordedFile(session, recording.id, name) });
    }
  }

  /** The connection is gone: the server ends the recording by itself and keeps it, but nobody tells of it any more. */
  lose(session: SessionAddress | null): void {
    this.assume("interrupted", "the connection was lost", session);
  }

  /** The visitor leaves, which ends the recording; nobody waits to be told so. */
  leave(session: SessionAddress | null): void {
    this.assume("ended", null, session);
  }

  /** Of a recording under way: it goes on, and nobody here hears of it any more. */
  forget(): void {
    if (this.since === null) return;
    this.recording = null;
    this.since = null;
  }

  private assume(
    state: Recording["state"],
    reason: string | null,
    session: SessionAddress | null,
  ): void {
    if (this.since === null || this.recording === null) return;
    const pictures = this.original ? [EDITED, ORIGINAL] : [EDITED];
    const files = [...new Set([...pictures, ...this.recording.files])];
    this.hear({ ...this.recording, state, reason, duration_s: null, files }, session);
  }
}
