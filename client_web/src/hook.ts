import type { Edits, Recording } from "./messages/control";
import type { Percentiles, Stats } from "./messages/stats";
import type { TimedReceipt } from "./visit/instructions";
import type { Stay, VisitState } from "./visit/stay";

/** What `window.afterimage` shows to benchmarks and tests. A copy: writing to it changes nothing. */
interface Snapshot {
  readonly state: "start" | VisitState;
  readonly sessionId: string | null;
  readonly source: "camera" | "demo" | "file" | null;
  readonly instruction: string | null;
  readonly strength: number | null;
  readonly stats: Stats | null;
  /** Milliseconds over the last five seconds. */
  readonly glassToGlass: Percentiles | null;
  readonly downlink: Percentiles | null;
  readonly displayedFps: number | null;
  readonly receipts: readonly TimedReceipt[];
  readonly trouble: string | null;
  readonly reconnects: number;
  readonly edits: Edits | null;
  readonly recording: Recording | null;
}

declare global {
  interface Window {
    readonly afterimage: Snapshot;
  }
}

function snapshot(visit: Stay | null, sourceTrouble: string | null): Snapshot {
  const { glassToGlass = null, downlink = null, displayedFps = null } = visit?.measured ?? {};
  return structuredClone({
    state: visit?.state ?? "start",
    sessionId: visit?.session?.id ?? null,
    source: visit?.source?.kind ?? null,
    instruction: visit?.instructions.current?.text ?? null,
    strength: visit?.wanted.strength ?? null,
    stats: visit?.stats ?? null,
    glassToGlass,
    downlink,
    displayedFps,
    receipts: visit?.instructions.receipts ?? [],
    trouble: sourceTrouble ?? visit?.trouble?.kind ?? null,
    reconnects: visit?.reconnects ?? 0,
    edits: visit?.wanted.edits ?? null,
    recording: visit?.take.recording ?? null,
  });
}

export function installHook(now: () => { visit: Stay | null; sourceTrouble: string | null }): void {
  Object.defineProperty(window, "afterimage", {
    get: () => {
      const { visit, sourceTrouble } = now();
      return Object.freeze(snapshot(visit, sourceTrouble));
    },
  });
}
