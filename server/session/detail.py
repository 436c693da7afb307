"""Brings edits back to their camera's own resolution, in a thread beside the editor's."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import av
from av.video.reformatter import Interpolation, VideoReformatter

from engines.upsampling import guided_luma, studio_luma
from server.session.frame import Frame, Picture420

Size = tuple[int, int]


def shown_size(camera: Size, edit: Size, short_side: int) -> Size:
    """The (width, height) an edit is shown at: the camera's, no larger than ``short_side`` asks, in even numbers.

    Args:
        camera: (width, height) of the camera's picture.
        edit: (width, height) it is edited at.
        short_side: Of the largest picture shown, in pixels.

    Returns:
        ``edit`` itself where the camera or ``short_side`` is no larger than that.
    """
    scale = min(1.0, short_side / min(camera))
    width, height = (max(2, round(side * scale / 2) * 2) for side in camera)
    return (width, height) if min(width, height) > min(edit) else edit


class Detail:
    """Shows edits at the size of their camera, guided by its full-size picture.

    Args:
        short_side: Of the largest picture shown, in pixels; 0 shows every edit at the size it was made.
    """

    def __init__(self, short_side: int) -> None:
        self._short_side = short_side
        self._thread = ThreadPoolExecutor(1, "detail")
        self._guide, self._enlarge = VideoReformatter(), VideoReformatter()

    def close(self) -> None:
        """End the thread after the picture it is at; returns at once."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def restore(self, frame: Frame) -> None:
        """Give a frame that is ready to leave its video picture, where it can be larger than the edit."""
        if frame.camera is None or self._size(frame) == frame.edit_size:
            return
        loop = asyncio.get_running_loop()
        frame.shown = await loop.run_in_executor(self._thread, self.enlarge, frame)
        frame.detailed_s = time.perf_counter()

    def _size(self, frame: Frame) -> Size:
        return shown_size(frame.source_size, frame.edit_size, self._short_side)

    def enlarge(self, frame: Frame) -> Picture420:
        """What an edited or untouched frame is shown as; takes a few milliseconds of the calling thread."""
        assert frame.camera is not None
        assert frame.picture is not None
        width, height = self._size(frame)
        guide = _scaled(self._guide, frame.camera, (width, height), Interpolation.AREA)
        if frame.kind == "passed":
            return guide
        edit = av.VideoFrame.from_ndarray(frame.picture, format="rgb24")
        shown = _scaled(self._enlarge, edit, (width, height), Interpolation.BICUBIC)
        if frame.guided:
            shown[:height] = guided_luma(
                guide[:height], studio_luma(frame.source), studio_luma(frame.picture)
            )
        return shown


def _scaled(
    scaler: VideoReformatter, video: av.VideoFrame, size: Size, interpolation: Interpolation
) -> Picture420:
    scaled = scaler.reformat(video, *size, "yuv420p", interpolation=interpolation, threads=1)
    return cast(Picture420, scaled.to_ndarray())
