/** How a session's edit is had besides the page, and whether the visitor has seen the present one's address. */

import type { SessionAddress } from "../server/api";

/** What shows a session as a camera that video calls list, typed in Afterimage's folder (`server/camera/command.py`). */
export function cameraCommand({ url, token }: Pick<SessionAddress, "url" | "token">): string {
  // Joined by "=": a token may begin with a dash, and would be taken for an option.
  return `.venv/bin/afterimage camera --session ${shellWord(url.href)} --token=${shellWord(token)}`;
}

/** In quotes where a shell would read more than a word, as the brackets of [::1]. */
function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Whether what is at this host is found from this machine only. */
export function isOfThisMachine(hostname: string): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** Remembers whose address the visitor saw last: each connection is a session with one of its own. */
export class SeenAddress {
  private seen: string | null = null;

  /** A new visit: the last one's addresses died with it, as the visitor knows. */
  forget(): void {
    this.seen = null;
  }

  /** @param session whose address the visitor has before them, null while there is none */
  see(session: string | null): void {
    this.seen ??= session;
  }

  /** The visitor has looked, and was told if it was another than before. */
  looked(session: string | null): void {
    this.seen = session ?? this.seen;
  }

  /** Whether the visitor knows another session's address only. */
  isOutdated(session: string | null): boolean {
    return session !== null && this.seen !== null && session !== this.seen;
  }
}
