"""A session's edit kept on a virtual camera: connected again and again, paced, a slate where there is no picture."""

import asyncio
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn
from urllib.parse import urlsplit

from server.camera.address import WatchAddress
from server.camera.device import CameraUnavailableError, Device
from server.camera.pace import Pace
from server.camera.picture import slate
from server.camera.whep import RefusedError, UnreachableError, Viewing
from server.letterbox import fit, letterbox
from server.session.frame import Frame, Picture
from server.session.mailbox import Mailbox

FIRST_RETRY_S, LONGEST_RETRY_S = 0.5, 8.0
REPEAT_AFTER = 1.5
"""Intervals without a picture until the last is shown again: some programs take a camera that stands for broken."""

UNAUTHORIZED, NOT_FOUND, UNAVAILABLE = 401, 404, 503


class Feed:
    """Feeds one camera for as long as it runs.

    Args:
        address: Whom to ask for pictures.
        token: The bearer, if one is needed.
        size: The camera's (width, height).
        fps: The camera's rate.
        open_device: Opens the camera; called in the thread that feeds it.
        say: Told, in one line, what happens.
    """

    def __init__(
        self,
        address: WatchAddress,
        token: str | None,
        size: tuple[int, int],
        fps: float,
        open_device: Callable[[], Device],
        say: Callable[[str], None],
    ) -> None:
        self._address, self._token = address, token
        self._host = urlsplit(address.endpoint).netloc
        self._size, self._fps = size, fps
        self._open_device, self._say = open_device, say
        self._said = ""
        self._pictures = Mailbox[Picture]()
        self._source_size: tuple[int, int] | None = None
        self._seen = False

    async def run(self) -> NoReturn:
        """Feed the camera until cancelled.

        Raises:
            CameraUnavailableError: There is none, or it does not open.
            RefusedError: The server will never show this, from the first attempt on: the token or address is wrong.
        """
        self._show_slate("Connecting…")
        # One thread for the device's whole life: not every driver likes to be called from several.
        with ThreadPoolExecutor(1, "virtual-camera") as thread:
            loop = asyncio.get_running_loop()
            device = await loop.run_in_executor(thread, self._open_device)
            self._tell(f"{device.device} shows {self._size[0]}x{self._size[1]} at {self._fps:g} fps")
            feeding = asyncio.create_task(self._supply(device, thread))
            following = asyncio.create_task(self._follow())
            try:
                await asyncio.wait({feeding, following}, return_when=asyncio.FIRST_COMPLETED)
                for task in (feeding, following):
                    if task.done():
                        task.result()
            finally:
                feeding.cancel()
                following.cancel()
                await asyncio.gather(feeding, following, return_exceptions=True)
                await asyncio.shield(loop.run_in_executor(thread, device.close))
        raise AssertionError("neither task ends by itself")

    async def _supply(self, device: Device, thread: ThreadPoolExecutor) -> NoReturn:
        """The newest picture as soon as it may be shown; the last again where none comes."""
        loop, pace = asyncio.get_running_loop(), Pace(self._fps)
        picture = await self._pictures.take()
        while True:
            try:
                await loop.run_in_executor(thread, device.send, picture)
            except (RuntimeError, OSError) as error:
                raise CameraUnavailableError(f"{device.device} takes no more pictures: {error}") from error
            pace.sent(time.monotonic())
            with suppress(TimeoutError):
                async with asyncio.timeout(REPEAT_AFTER * pace.interval_s):
                    await self._pictures.wait()
            await asyncio.sleep(pace.wait_s(time.monotonic()))
            picture = newer if (newer := self._pictures.take_nowait()) is not None else picture

    async def _follow(self) -> NoReturn:
        """Watch, and when that ends watch again."""
        failures = 0
        while True:
            viewing = Viewing(self._frame_size, self._take)
            self._source_size = None
            least_s = 0.0
            try:
                await viewing.open(self._address.endpoint, self._token)
                self._show_slate("Waiting for the picture")
                self._tell(f"{self._host}: {await viewing.ended()}; trying again")
                if self._source_size is not None:
                    failures = 0
                    self._show_slate("The picture has stopped", "It comes back by itself")
            except UnreachableError as error:
                self._tell(f"{error}; trying again")
                self._show_slate("The server does not answer", "The picture comes back by itself")
            except RefusedError as error:
                if not self._seen and self._is_final(error):
                    raise
                least_s = error.retry_after_s
                self._explain(error)
            finally:
                await viewing.close()
            await asyncio.sleep(max(least_s, retry_s(failures)))
            failures += 1

    def _is_final(self, error: RefusedError) -> bool:
        """Whether asking again is of no use: nobody publishes yet, or all places are taken, can change."""
        waits = error.status == NOT_FOUND and not self._address.ends and error.retry_after_s > 0
        return not waits and error.status < 500 and error.status != 429

    def _explain(self, error: RefusedError) -> None:
        self._tell(f"{error}; trying again")
        if self._address.ends and error.status in (UNAUTHORIZED, NOT_FOUND):
            self._show_slate("The session has ended")
        elif error.status == NOT_FOUND:
            self._show_slate("Nobody is live", "The picture comes by itself")
        elif error.status == UNAVAILABLE:
            self._show_slate("There is no place free", "The picture comes by itself")
        else:
            self._show_slate("The server refuses", error.detail)

    def _frame_size(self, width: int, height: int) -> tuple[int, int]:
        self._source_size = width, height
        return fit((width, height), self._size)

    def _take(self, frame: Frame) -> None:
        self._seen = True
        width, height = frame.source_size
        self._tell(f"{self._host}: the picture comes at {width}x{height}")
        self._pictures.put(letterbox(frame.source, self._size))

    def _show_slate(self, words: str, details: str = "") -> None:
        self._pictures.put(slate(self._size, words, details or self._host))

    def _tell(self, line: str) -> None:
        """Say something once, not at every attempt."""
        if line != self._said:
            self._said = line
            self._say(line)


def retry_s(failures: int, spread: float | None = None) -> float:
    """How long to wait after a number of failures in a row: doubling, bounded, spread so that not all come at once.

    Args:
        failures: So far.
        spread: From 0 to 1 in place of chance.
    """
    doubled = min(FIRST_RETRY_S * 2.0 ** min(failures, 16), LONGEST_RETRY_S)
    return doubled * (0.75 + 0.25 * (random.random() if spread is None else spread))
