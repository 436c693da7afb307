"""Short video files with sound, made of a real photograph under a moving window."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray
from skimage import data

SOUND_RATE = 48000
TONE_HZ = 440.0


def pictures(count: int, width: int = 192, height: int = 128) -> list[NDArray[np.uint8]]:
    """A window moving over scikit-image's portrait, (H, W, 3) RGB."""
    portrait: NDArray[np.uint8] = data.astronaut()  # type: ignore[no-untyped-call]
    return [portrait[2 * i : 2 * i + height, 100 + i : 100 + i + width] for i in range(count)]


def make_clip(
    path: Path,
    *,
    count: int = 24,
    size: tuple[int, int] = (192, 128),
    rate: int = 24,
    ticks: Sequence[int] | None = None,
    sounds: Sequence[str] = ("aac",),
    rotation: int = 0,
    full_range: bool = False,
    movflags: str = "+faststart",
) -> Path:
    """Write a clip.

    Args:
        path: Where to; the name's end chooses the container.
        count: Frames.
        size: (width, height) as stored.
        rate: Frames a second.
        ticks: Each frame's time in milliseconds, for a variable rate.
        sounds: The codec of each sound stream, a sine tone of one second for ``rate`` frames.
        rotation: Degrees to the left that the player turns the stored picture.
        full_range: Label and store the colours in full range.
        movflags: Where mp4 keeps its index; at the end when empty.
    """
    options = {"movflags": movflags} if movflags and path.suffix == ".mp4" else {}
    with av.open(str(path), "w", options=options) as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "12", "preset": "veryfast"})
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000 if ticks else rate)
        video.codec_context.colorspace, video.codec_context.color_range = 1, 2 if full_range else 1
        if rotation:
            video.set_display_rotation(rotation)
        tones = [
            cast(AudioStream, container.add_stream(codec, rate=SOUND_RATE, layout="stereo"))
            for codec in sounds
        ]

        for i, picture in enumerate(pictures(count, *size)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace="ITU709", dst_color_range="JPEG" if full_range else "MPEG"
            )
            frame.pts = ticks[i] if ticks else i
            frame.time_base = video.codec_context.time_base
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for tone in tones:
            samples = np.arange(SOUND_RATE * count // rate)
            wave = (0.3 * np.sin(2 * np.pi * TONE_HZ * samples / SOUND_RATE)).astype(np.float32)
            sound = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
            container.mux(tone.encode(sound))
            container.mux(tone.encode(None))
    return path
