import type { Edits, Percentiles, Receipt, Recording, Stats } from "./messages";
import type { Visit, VisitState } from "./visit";

/** What `window.afterimage` shows to benchmarks and tests. A copy: writing to it changes nothing. */
export interface Snapshot {
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
  readonly receipts: readonly (Receipt & { readonly shown_after_ms: number | null })[];
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

function snapshot(visit: Visit | null, sourceTrouble: string | null): Snapshot {
  const statistics = visit?.link?.statistics;
  const { glassToGlass = null, downlink = null, displayedFps = null } = statistics?.measured ?? {};
  return structuredClone({
    state: visit?.state ?? "start",
    sessionId: visit?.link?.session.id ?? null,
    source: visit?.source.kind ?? null,
    instruction: visit?.current?.text ?? null,
    strength: visit?.strength ?? null,
    stats: statistics?.stats ?? null,
    glassToGlass,
    downlink,
    displayedFps,
    receipts: visit?.receipts ?? [],
    trouble: sourceTrouble ?? visit?.trouble?.kind ?? null,
    reconnects: visit?.reconnects ?? 0,
    edits: visit?.edits ?? null,
    recording: visit?.recording ?? null,
  });
}

export function installHook(
  now: () => { visit: Visit | null; sourceTrouble: string | null },
): void {
  Object.defineProperty(window, "afterimage", {
    get: () => {
      const { visit, sourceTrouble } = now();
      return Object.freeze(snapshot(visit, sourceTrouble));
    },
  });
}
