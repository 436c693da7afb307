import type { Recording } from "../messages/control";
import type { Api } from "../server/api";
import type { Link } from "./link";

/** The recording under way, or the last one that ended. */
export class Take {
  recording: Recording | null = null;
  /** performance.now() when the recording under way began; null while there is none. */
  since: number | null = null;
  /** Of the last recording that ended. */
  readonly files: { name: string; url: URL }[] = [];

  constructor(private readonly api: Api) {}

  hear(recording: Recording, link: Link | null): void {
    this.recording = recording;
    this.since = recording.state === "recording" ? performance.now() : null;
    this.files.length = 0;
    if (recording.state === "recording" || link === null) return;
    for (const name of recording.files) {
      this.files.push({ name, url: this.api.recordedFile(link.session, recording.id, name) });
    }
  }

  /** The connection is gone, and the recording with it. */
  lose(): void {
    this.since = null;
  }
}
