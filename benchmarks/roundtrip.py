"""What two generations of lossy video leave of a picture: ``python -m benchmarks.roundtrip``.

A client sends a clip to a real server over a real peer connection, without an instruction, and compares what comes
back with what it sent, by RTP timestamp: encode, decode, encode, decode, at one bitrate both ways.

The PSNR is over RGB and the mean of the pictures' own; beside it is what nineteen of twenty pictures exceed. The
first seconds are left out. The server's processor time is that of receiving, decoding, encoding and sending; nothing
is edited.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import psutil
from numpy.typing import NDArray

from benchmarks.fidelity import psnr_db
from benchmarks.live import aiortc_client
from benchmarks.live.aiortc_client import Client, RefusedError
from benchmarks.live.clip import (
    ASTRONAUT_SHOWN,
    FRAME_RATE,
    MEDIA_CLIP,
    ClipError,
    astronaut,
    back_and_forth,
    read_clip,
)
from benchmarks.live.measurement import busy_s
from benchmarks.live.report import machine, print_rows
from benchmarks.live.server_process import ServerProcess
from benchmarks.live.size import camera_size
from server.rtc.assembly import EncodedPicture

CLIP_FRAMES = 60
SETTLE_S = 4.0


class Comparing(Client):
    """A client that keeps what comes back, encoded, to be compared afterwards.

    Attributes:
        kept: What came back, oldest first.
    """

    def __init__(self, url: str, frames: Sequence[av.VideoFrame], codec: str) -> None:
        super().__init__(url, frames, codec)
        self.kept: list[EncodedPicture] = []
        decode = self.decoder.put

        def put(picture: EncodedPicture) -> None:
            # From the first on: later ones cannot be decoded without it.
            self.kept.append(picture)
            decode(picture)

        self.decoder.put = put  # type: ignore[method-assign]

    def compared_db(self, pictures: Sequence[NDArray[np.uint8]], first: int) -> list[float]:
        """PSNR of every picture that came back after the first ones, against the one it was made of."""
        context = aiortc_client.open_decoder(self.codec)
        values = []
        for number, kept in enumerate(self.kept):
            decoded = context.decode(av.Packet(kept.payload))
            pts = self.pts_of(kept.rtp_timestamp)
            if number < first or pts is None or not decoded:
                continue
            source = pictures[pts // aiortc_client.TICKS_PER_FRAME % len(pictures)]
            back: NDArray[np.uint8] = decoded[-1].to_ndarray(format="rgb24")  # type: ignore[assignment]
            if back.shape != source.shape:
                raise RefusedError(f"the server sends {back.shape[1]}x{back.shape[0]}")
            values.append(psnr_db(back, source))
        return values

    def pts_of(self, out_rtp: int) -> int | None:
        """The clip's time stamp of what an edit was made from."""
        in_rtp = self.heard.in_rtp.get(out_rtp)
        if in_rtp is None or self._origin is None:
            return None
        return (in_rtp - self._origin) % (1 << 32)


@dataclass(frozen=True)
class Row:
    """What came back in one codec.

    Attributes:
        psnr_db: Mean over the pictures.
        psnr_p5_db: What nineteen of twenty exceed.
        compared: How many.
        pictures_per_s: That came back.
        returned_mbps: Of the pictures that came back.
        server_cpu_ms: For each of them.
        decoder, encoder: The server's, by FFmpeg's names.
    """

    codec: str
    psnr_db: float
    psnr_p5_db: float
    compared: int
    pictures_per_s: float
    returned_mbps: float
    server_cpu_ms: float
    decoder: str
    encoder: str


async def run(
    server: ServerProcess, codec: str, pictures: Sequence[NDArray[np.uint8]], seconds: float
) -> Row:
    """One visit.

    Raises:
        RefusedError: The server does not take part.
    """
    frames = [
        av.VideoFrame.from_ndarray(item, format="rgb24").reformat(format="yuv420p") for item in pictures
    ]
    client = Comparing(server.url, frames, codec)
    process = psutil.Process(server.pid)
    try:
        await client.connect()
        await asyncio.sleep(SETTLE_S)
        first, before_s = len(client.kept), busy_s(process.cpu_times())
        await asyncio.sleep(seconds)
        count = len(client.kept) - first
        spent_ms = 1000 * (busy_s(process.cpu_times()) - before_s) / max(1, count)
        sent_bits = 8 * sum(len(kept.payload) for kept in client.kept[first:])
        await asyncio.sleep(0.7)
        codecs = client.heard.stats[-1][1]["codecs"]
    finally:
        await client.close()
    values = sorted(await asyncio.to_thread(client.compared_db, pictures, first))
    if not values:
        raise RefusedError("nothing came back that could be compared")
    return Row(
        codec,
        round(float(np.mean(values)), 1),
        round(values[len(values) // 20], 1),
        len(values),
        round(count / seconds, 1),
        round(sent_bits / seconds / 1e6, 2),
        round(spent_ms, 1),
        codecs["decoder"],
        ", ".join(encoder["name"] for encoder in codecs["encoders"]),
    )


def clip(name: str, width: int, height: int) -> tuple[list[NDArray[np.uint8]], str]:
    """The named clip, ``photo``, ``media`` or a file, and what it shows.

    Raises:
        ClipError: It cannot be read.
    """
    if name == "photo":
        return astronaut(CLIP_FRAMES, width, height), ASTRONAUT_SHOWN
    path = MEDIA_CLIP if name == "media" else Path(name)
    return back_and_forth(read_clip(path, CLIP_FRAMES, width, height)), path.name


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each codec; 1 where the server refuses, 2 for a clip that cannot be read."""
    parser = argparse.ArgumentParser("python -m benchmarks.roundtrip", description=__doc__)
    parser.add_argument("--size", type=camera_size, default=(640, 480), metavar="WxH")
    parser.add_argument("--mbps", type=float, default=2.5, help="either way (default 2.5)")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--codec", choices=("VP8", "H264"), action="append")
    parser.add_argument(
        "--clip",
        default="media" if MEDIA_CLIP.exists() else "photo",
        help="photo, media (a webcam's clip outside the repository, the default where it is at hand) or a file",
    )
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)
    width, height = options.size
    bitrate_bps = round(options.mbps * 1e6)
    aiortc_client.BROWSER_BITRATE_BPS = bitrate_bps
    conditions = {
        "size": f"{width}x{height}",
        "fps": FRAME_RATE,
        "mbps_either_way": options.mbps,
        "seconds": options.seconds,
        "edit": None,
        **machine(),
    }
    try:
        pictures, shown = clip(options.clip, width, height)
        with ServerProcess(settings={"AFTERIMAGE_MAX_BITRATE_BPS": str(bitrate_bps)}) as server:
            rows = [
                asdict(asyncio.run(run(server, codec, pictures, options.seconds)))
                for codec in options.codec or ("VP8", "H264")
            ]
        print_rows({"clip": shown, **conditions}, rows, json_alone=options.json)
    except ClipError as error:
        print(f"benchmarks.roundtrip: {error}", file=sys.stderr)
        return 2
    except RefusedError as error:
        print(f"benchmarks.roundtrip: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
