import type { ServerCondition } from "../server/watch";
import type { Stay } from "../visit/stay";
import { byId, write } from "./dom";

export type Tone = "quiet" | "good" | "bad";

/** The line about the server in the bar on top. */
export function showServer(words: string, tone: Tone): void {
  const line = byId("server-status", HTMLParagraphElement);
  line.dataset["tone"] = tone;
  write(line, words);
}

/** How the server is before and between visits, for that line. */
export function serverWords(condition: ServerCondition): [string, Tone] {
  switch (condition.kind) {
    case "ready":
      return [condition.model === null ? "Ready" : `${condition.model} is ready`, "good"];
    case "warming":
      return ["Warming up…", "quiet"];
    case "model-failed":
      return ["Model not loaded", "bad"];
    case "token-needed":
      return ["Token needed", "bad"];
    case "unreachable":
      return ["Server does not answer", "bad"];
  }
}

/** How the visit stands, for that line. */
export function visitWords({ state, trouble }: Stay): [string, Tone] {
  switch (state) {
    case "connecting":
      return ["Connecting…", "quiet"];
    case "live":
      return ["Live", "good"];
    case "frozen":
      return ["Frozen", "quiet"];
    case "degraded":
      return ["Recovering…", "bad"];
    case "waiting":
      return trouble?.kind === "server-warming"
        ? ["Warming up…", "quiet"]
        : ["Not connected", "bad"];
    case "ended":
      return ["Stopped", "quiet"];
  }
}
