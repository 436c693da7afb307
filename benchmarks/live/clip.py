"""What the camera of a benchmark or a test sees: a real photograph under a moving window, or a video file."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Interpolation
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]
"""(H, W, 3) RGB."""

ROOT = Path(__file__).parents[2]
ASTRONAUT = ROOT / "client_web" / "public" / "astronaut.webp"
"""scikit-image's photograph of Eileen Collins, NASA, public domain; the page's demo clip is made of it too."""

ASTRONAUT_SHOWN = "the astronaut photograph under a moving window"
"""What conditions call :func:`astronaut`."""

MEDIA_CLIP = ROOT.parent / "shared" / "media" / "clips" / "eval" / "eval_webcam_gesture.mp4"
"""A person before a webcam; not part of the product, used where it is at hand, and named in the conditions then."""

FRAME_RATE = 30


class ClipError(ValueError):
    """The file is no clip that can be played; one line says why."""


def moving_photograph(photograph: Picture, count: int, width: int, height: int) -> list[Picture]:
    """A hand-held shot of a photograph: the view sways, comes nearer, and ends where it began.

    Args:
        photograph: Larger than the view, or it is enlarged.
        count: Frames in a round.
        width: Of a frame.
        height: Of a frame.
    """
    image = Image.fromarray(photograph)
    frames = []
    for i in range(count):
        turn = 2 * math.pi * i / count
        share = 0.78 + 0.08 * math.cos(turn)
        wide = min(image.width, image.height * width / height) * share
        high = wide * height / width
        left = (image.width - wide) * (0.5 + 0.42 * math.sin(turn))
        top = (image.height - high) * (0.35 + 0.3 * math.cos(turn + 0.7))
        view = (left, top, left + wide, top + high)
        frames.append(np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box=view)))
    return frames


def astronaut(count: int, width: int, height: int) -> list[Picture]:
    """The moving photograph that every checkout has."""
    with Image.open(ASTRONAUT) as image:
        return moving_photograph(np.asarray(image.convert("RGB")), count, width, height)


def read_clip(path: Path, count: int, width: int, height: int) -> list[Picture]:
    """The first frames of a video file, cut to the view's shape and scaled to it.

    Raises:
        ClipError: It cannot be read or has no pictures.
    """
    try:
        with av.open(str(path)) as container:
            frames = [_fitted(frame, width, height) for frame in islice(_pictures(container), count)]
    except (av.FFmpegError, OSError) as error:
        raise ClipError(f"{path} cannot be read: {error}") from error
    if not frames:
        raise ClipError(f"{path} has no pictures")
    return frames


def back_and_forth(frames: Sequence[Picture]) -> list[Picture]:
    """The frames, then back again, so that a loop over them has no cut."""
    return [*frames, *frames[-2:0:-1]]


def to_video(picture: Picture) -> av.VideoFrame:
    """A picture as a camera gives it: yuv420p."""
    rgb = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return rgb.reformat(format="yuv420p", interpolation=Interpolation.BICUBIC)


def write_y4m(path: Path, frames: Sequence[Picture], rate: int = FRAME_RATE) -> Path:
    """Write what Chromium takes in place of a camera: uncompressed 4:2:0, played in a loop."""
    height, width, _ = frames[0].shape
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in frames:
            file.write(b"FRAME\n" + to_video(picture).to_ndarray().tobytes())
    return path


def _pictures(container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
    if not container.streams.video:
        return
    yield from container.decode(container.streams.video[0])


def _fitted(frame: av.VideoFrame, width: int, height: int) -> Picture:
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    wide = min(image.width, image.height * width / height)
    high = wide * height / width
    left, top = (image.width - wide) / 2, (image.height - high) / 2
    view = (left, top, left + wide, top + high)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC, box=view))
