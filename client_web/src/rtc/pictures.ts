/** Whether pictures keep coming. */

/** A picture is sent at least every half second, also a held one. */
const STILL_MS = 5_000;
/** Who came before the picture waits longer for it than who lost it. */
const FIRST_PICTURE_MS = 30_000;
const CHECK_MS = 100;

/**
 * Resolves once the pictures end: the connection has failed, they stand still, or `ended` is aborted.
 *
 * @param onPicture called while they come, about as often as ten times a second
 */
export async function untilStill(
  video: HTMLVideoElement,
  connection: RTCPeerConnection,
  onPicture: () => void,
  ended?: AbortSignal,
): Promise<void> {
  let [shown, movedAt] = [0, performance.now()];
  while (ended?.aborted !== true) {
    await new Promise((resolve) => setTimeout(resolve, CHECK_MS));
    const frames = video.getVideoPlaybackQuality().totalVideoFrames;
    if (frames > shown) {
      [shown, movedAt] = [frames, performance.now()];
      onPicture();
    }
    const patienceMs = shown > 0 ? STILL_MS : FIRST_PICTURE_MS;
    const { connectionState } = connection;
    if (connectionState === "failed" || performance.now() - movedAt > patienceMs) return;
  }
}
