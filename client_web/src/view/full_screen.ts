import { byId } from "./dom";

const IDLE_AFTER_MS = 3_000;

/** Full screen of the studio; the tools leave the picture alone after a while without a hand on them. */
export class FullScreen {
  private readonly studio = byId("studio", HTMLDivElement);
  private readonly button = byId("full", HTMLButtonElement);
  private idle = 0;

  constructor(picture: HTMLVideoElement) {
    // An iPhone has no full screen for elements, only its own for a video.
    const video = picture as HTMLVideoElement & { webkitEnterFullscreen?: () => void };
    this.button.hidden = !document.fullscreenEnabled && video.webkitEnterFullscreen === undefined;
    this.button.addEventListener("click", () => {
      if (document.fullscreenElement) void document.exitFullscreen();
      else if (document.fullscreenEnabled) void this.studio.requestFullscreen();
      else video.webkitEnterFullscreen?.();
    });
    document.addEventListener("fullscreenchange", () => {
      this.button.setAttribute("aria-pressed", String(document.fullscreenElement !== null));
      this.wake();
    });
    for (const sign of ["click", "pointermove", "keydown", "focusin"]) {
      this.studio.addEventListener(sign, () => this.wake());
    }
  }

  private wake(): void {
    clearTimeout(this.idle);
    this.studio.classList.remove("idle");
    if (document.fullscreenElement === null) return;
    this.idle = window.setTimeout(() => this.studio.classList.add("idle"), IDLE_AFTER_MS);
  }
}
