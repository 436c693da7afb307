/** What starting to play needs of a video element. */
export type Player = Pick<HTMLVideoElement, "muted" | "play">;

/**
 * Play, without sound where the browser wants a click for it.
 *
 * Returns at once: `play` settles only with the first picture, which may never come.
 */
export function startToPlay(video: Player): void {
  video.play().catch((error: unknown) => {
    // Any other is about this stream, which is gone; the next one may have its sound.
    if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
    // OBS lets a page play sound unasked, other browsers may not: then the picture is what matters.
    video.muted = true;
    video.play().catch(() => {});
  });
}
