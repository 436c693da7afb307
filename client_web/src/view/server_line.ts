import type { Visit } from "../visit/visit";
import { byId, write } from "./dom";

export type Tone = "quiet" | "good" | "bad";

/** The line about the server in the bar on top. */
export function showServer(words: string, tone: Tone): void {
  const line = byId("server-status", HTMLParagraphElement);
  line.dataset["tone"] = tone;
  write(line, words);
}

/** How the visit stands, for that line. */
export function visitWords({ state, trouble }: Visit): [string, Tone] {
  switch (state) {
    case "connecting":
      return ["Connecting…", "quiet"];
    case "live":
      return ["Live", "good"];
    case "frozen":
      return ["Frozen", "quiet"];
    case "degraded":
      return ["Editor recovering", "bad"];
    case "waiting":
      return trouble?.kind === "server-warming"
        ? ["Warming up…", "quiet"]
        : ["Not connected", "bad"];
    case "ended":
      return ["Stopped", "quiet"];
  }
}
