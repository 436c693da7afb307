/** Whether pictures keep coming. */

/** A picture is sent at least every half second, also a held one. */
const STILL_MS = 5_000;
/** Who came before the picture waits longer for it than who lost it. */
const FIRST_PICTURE_MS = 30_000;
const CHECK_MS = 100;

/** What this needs of an RTCPeerConnection. */
export interface Receiving {
  readonly connectionState: RTCPeerConnectionState;
  getStats(): Promise<Iterable<readonly [string, object]>>;
}

/**
 * Resolves once the pictures end: the connection has failed, they stand still, or `ended` is aborted.
 *
 * @param onPicture called while they come, about as often as ten times a second
 */
export async function untilStill(
  connection: Receiving,
  onPicture: () => void,
  ended?: AbortSignal,
): Promise<void> {
  let [seen, movedAt] = [0, performance.now()];
  while (ended?.aborted !== true) {
    await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
    if (ended?.aborted) return;
    const decoded = framesDecoded(await connection.getStats());
    if (decoded > seen) {
      [seen, movedAt] = [decoded, performance.now()];
      onPicture();
    }
    const patienceMs = seen > 0 ? STILL_MS : FIRST_PICTURE_MS;
    const { connectionState } = connection;
    if (connectionState === "failed" || performance.now() - movedAt > patienceMs) return;
  }
}

/**
 * Counted where the frames are decoded, which goes on in a tab that nobody looks at. A video element counts none of a
 * MediaStream in Firefox (`getVideoPlaybackQuality`), and none in such a tab (`requestVideoFrameCallback`).
 */
function framesDecoded(report: Iterable<readonly [string, object]>): number {
  let decoded = 0;
  for (const [, entry] of report) {
    const { type, kind, framesDecoded } = entry as Partial<RTCInboundRtpStreamStats>;
    if (type === "inbound-rtp" && kind === "video") decoded += framesDecoded ?? 0;
  }
  return decoded;
}
