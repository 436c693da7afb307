"""`afterimage camera`: a session's edit as a virtual camera on this machine, until it is told to stop."""

import argparse
import asyncio
import logging
import os
import re
import signal
import sys
from contextlib import suppress
from functools import partial

from server.camera.address import AddressError, parse_address
from server.camera.device import CameraUnavailableError, open_device
from server.camera.feed import UNAUTHORIZED, Feed
from server.camera.whep import RefusedError

USAGE_ERROR = 2
SIDES = range(64, 4097)
RATES = (1.0, 120.0)

DESCRIPTION = """Show a session's edit as a camera that video calls can choose: OBS's virtual camera on Windows and
macOS, a v4l2loopback device on Linux. It connects again by itself and shows a slate meanwhile. Ctrl-C ends it."""


def main(arguments: list[str]) -> int:
    """Feed the camera until interrupted; 2 for an address, token, package or driver that does not do."""
    parser = argparse.ArgumentParser("afterimage camera", description=DESCRIPTION)
    parser.add_argument(
        "--session",
        required=True,
        metavar="URL",
        help="a session's address, its WHEP address or its view page's",
    )
    parser.add_argument("--token", help="the bearer token (default: that in URL, then AFTERIMAGE_TOKEN)")
    parser.add_argument("--size", type=_size, default=(1280, 720), metavar="WxH", help="default 1280x720")
    parser.add_argument("--fps", type=_fps, default=30.0, metavar="N", help="pictures a second (default 30)")
    parser.add_argument("--device", help="as /dev/video9 (default: the first that is free)")
    parser.add_argument("--backend", help="pyvirtualcam's name of the driver (default: the first that works)")
    parser.add_argument("--log-level", default="error", choices=("debug", "info", "warning", "error"))
    options = parser.parse_args(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    try:
        address = parse_address(options.session)
        token = options.token or address.token or os.environ.get("AFTERIMAGE_TOKEN") or None
        opened = partial(open_device, options.size, options.fps, options.device, options.backend)
        asyncio.run(_until_told(Feed(address, token, options.size, options.fps, opened, _say)))
    except (AddressError, CameraUnavailableError) as error:
        return _refuse(str(error))
    except RefusedError as error:
        wrong = "the token is wrong or missing (--token)" if error.status == UNAUTHORIZED else "refused"
        return _refuse(f"{wrong}: {error.detail}")
    except KeyboardInterrupt:
        return 0
    return 0


async def _until_told(feed: Feed) -> None:
    """Run until SIGTERM or SIGINT, or until cancelled."""
    running = asyncio.ensure_future(feed.run())
    # Windows' event loop takes no handlers; there Ctrl-C cancels. Elsewhere a shell's background jobs begin with
    # SIGINT ignored, and whoever sends it still means it.
    with suppress(NotImplementedError):
        for told in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(told, running.cancel)
    try:
        await running
    except asyncio.CancelledError:
        if not running.cancelled():
            raise


def _say(line: str) -> None:
    print(line, flush=True)


def _refuse(line: str) -> int:
    print(f"afterimage camera: {line}", file=sys.stderr)
    return USAGE_ERROR


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", text, re.ASCII)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if width not in SIDES or height not in SIDES or width % 2 or height % 2:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size like 1280x720, even and from {SIDES[0]} to {SIDES[-1]}"
        )
    return width, height


def _fps(text: str) -> float:
    try:
        fps = float(text)
    except ValueError:
        fps = 0.0
    if not RATES[0] <= fps <= RATES[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is not a rate from {RATES[0]:g} to {RATES[1]:g}")
    return fps
