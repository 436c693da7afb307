/** One connection to one session, and how its end is noticed. */

import type { Control } from "../rtc/control";
import type { Peer } from "../rtc/peer";
import type { Statistics } from "../rtc/statistics";
import type { OpenedSession } from "../server/api";

export interface Link {
  readonly session: OpenedSession;
  readonly peer: Peer;
  readonly control: Control;
  readonly statistics: Statistics;
}

/** No word on the telemetry channel for so long means that the server or the network is gone. */
const SILENCE_MS = 5_000;
/** ICE calls a connection "disconnected" for a moment now and then; longer is lost. */
const DISCONNECTED_MS = 3_000;
const WATCH_EVERY_MS = 250;

/**
 * Resolves once the link is lost, or `ended` is aborted.
 *
 * @param onWatch called every quarter of a second until then
 */
export async function lost(
  { peer, statistics }: Link,
  ended: AbortSignal,
  onWatch: () => void,
): Promise<void> {
  const { connection } = peer;
  let disconnectedFor: ReturnType<typeof setTimeout> | undefined;
  let watch: ReturnType<typeof setInterval> | undefined;
  await new Promise<void>((resolve) => {
    const end = () => resolve();
    if (ended.aborted) end();
    ended.addEventListener("abort", end);
    peer.control.addEventListener("close", end);
    connection.addEventListener("connectionstatechange", () => {
      clearTimeout(disconnectedFor);
      if (["failed", "closed"].includes(connection.connectionState)) end();
      if (connection.connectionState === "disconnected") {
        disconnectedFor = setTimeout(end, DISCONNECTED_MS);
      }
    });
    watch = setInterval(() => {
      const { heardAt } = statistics;
      if (heardAt !== null && performance.now() - heardAt > SILENCE_MS) end();
      onWatch();
    }, WATCH_EVERY_MS);
  });
  clearInterval(watch);
  clearTimeout(disconnectedFor);
}
