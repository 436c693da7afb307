"""Which Chromium, and the flags that give it a clip for a camera and keep it to itself."""

import shutil
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")

QUIET_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page behind another one is throttled otherwise, as in a test with two of them.
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
)


class NoChromiumError(RuntimeError):
    """No Chromium is installed."""


def find_chromium() -> str:
    """The browser's program.

    Raises:
        NoChromiumError: PATH has none.
    """
    for name in NAMES:
        if program := shutil.which(name):
            return program
    raise NoChromiumError(f"PATH has none of {', '.join(NAMES)}; on Debian: apt-get install chromium")


def camera_flags(clip: Path) -> tuple[str, ...]:
    """Flags that play a y4m or mjpeg file in a loop as the camera, and allow it unasked."""
    return (
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={clip}",
    )
