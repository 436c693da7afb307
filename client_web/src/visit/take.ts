import type { ControlRequest, Recording } from "../messages/control";
import type { Api, SessionAddress } from "../server/api";

/** Written as soon as a picture has left, so not yet named when a recording begins. */
const EDITED = "edited.mp4";
const ORIGINAL = "original.mp4";

export interface RecordedFile {
  readonly name: string;
  readonly url: URL;
}

/** A recording with its files. */
export interface Recorded {
  readonly recording: Recording;
  readonly files: readonly RecordedFile[];
}

/** The recording under way, or the last one that ended. */
export class Take {
  recording: Recording | null = null;
  /** performance.now() when the recording under way began; null while there is none. */
  since: number | null = null;
  /** Of the last recording, where it has ended or nobody here will hear of its end. */
  files: readonly RecordedFile[] = [];
  /** Those before it, also of stays before, the newest first. */
  earlier: readonly Recorded[] = [];

  /** Whether the recording under way was asked to keep the camera's own picture too. */
  private original = false;
  /** Whether it was asked to record, or to stop, which is not heard of yet. */
  private asked: boolean | null = null;

  constructor(private readonly api: Api) {}

  /** The recordings of the stay before are in reach of this one. */
  follow(before: Take): void {
    this.earlier = before.ended;
  }

  /** Begin to record, or stop; before what was asked for last is heard of, the opposite of that. */
  toggle(original: boolean): ControlRequest {
    this.asked = !(this.asked ?? this.since !== null);
    if (!this.asked) return { type: "stop_recording" };
    this.original = original;
    return { type: "record", original };
  }

  /** That was not taken. */
  refuse({ type }: ControlRequest): void {
    if (this.asked === (type === "record")) this.asked = null;
  }

  hear(recording: Recording, session: SessionAddress | null): void {
    const isUnderWay = recording.state === "recording";
    if (isUnderWay === this.asked) this.asked = null;
    if (recording.id !== this.recording?.id) this.makeRoomFor(recording);
    this.recording = recording;
    this.since = isUnderWay ? performance.now() - 1000 * (recording.duration_s ?? 0) : null;
    this.files = isUnderWay ? [] : this.filesOf(recording, session);
  }

  /** The connection is gone: the server ends the recording by itself and keeps it, but nobody tells of it any more. */
  lose(session: SessionAddress | null): void {
    this.assume("interrupted", "the connection was lost", session);
  }

  /** The visitor leaves, which ends the recording; nobody waits to be told so. */
  leave(session: SessionAddress | null): void {
    this.assume("ended", null, session);
  }

  /** Only this page's connection is gone: the recording goes on, and nobody here hears of its end. */
  cutOff(session: SessionAddress | null): void {
    this.assume("recording", null, session);
  }

  private assume(
    state: Recording["state"],
    reason: string | null,
    session: SessionAddress | null,
  ): void {
    this.asked = null;
    if (this.since === null || this.recording === null) return;
    const pictures = this.original ? [EDITED, ORIGINAL] : [EDITED];
    const files = [...new Set([...pictures, ...this.recording.files])];
    this.recording = { ...this.recording, state, reason, duration_s: null, files };
    this.since = null;
    this.files = this.filesOf(this.recording, session);
  }

  /** What has files to download, the newest first. */
  private get ended(): readonly Recorded[] {
    const { recording, files, earlier } = this;
    return recording === null || files.length === 0 ? earlier : [{ recording, files }, ...earlier];
  }

  /** The recording before stays in reach; an earlier session's may be told of once more. */
  private makeRoomFor({ id }: Recording): void {
    this.earlier = this.ended.filter((one) => one.recording.id !== id);
  }

  private filesOf({ id, files }: Recording, session: SessionAddress | null): RecordedFile[] {
    if (session === null) return [];
    return files.map((name) => ({ name, url: this.api.recordedFile(session, id, name) }));
  }
}
