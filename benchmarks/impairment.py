"""A live edit over a network that turns bad and good again: ``python -m benchmarks.impairment``.

The picture has to go on, and latency has to come back once the network is good again.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import av

from benchmarks.live.aiortc_client import RefusedError
from benchmarks.live.clip import FRAME_RATE, astronaut
from benchmarks.live.impaired_path import FarClient, ImpairedPath, Impairment
from benchmarks.live.measurement import Sample, percentile
from benchmarks.live.server_process import ServerProcess

CLIP_S = 4
MARGIN_MS = 50.0
STEADY_S = 1.0


@dataclass(frozen=True)
class Phases:
    """Seconds before, during and after."""

    clear: float
    impaired: float
    after: float


def recovery_s(samples: Sequence[Sample], ended_s: float, limit_ms: float) -> float | None:
    """Seconds from the impairment's end until a second long no picture was later than the limit; None if never."""
    later = [sample for sample in samples if sample.at_s >= ended_s]
    for index, first in enumerate(later):
        window = [sample for sample in later[index:] if sample.at_s < first.at_s + STEADY_S]
        full = bool(window) and later[-1].at_s >= first.at_s + STEADY_S
        if full and all(sample.value <= limit_ms for sample in window):
            return max(0.0, first.at_s - ended_s)
    return None


async def run(url: str, codec: str, size: tuple[int, int], impairment: Impairment, phases: Phases) -> str:
    """One visit; a table's row.

    Raises:
        RefusedError: The server does not take part.
    """
    path = ImpairedPath()
    pictures = astronaut(CLIP_S * FRAME_RATE, *size)
    frames = [
        av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p") for picture in pictures
    ]
    client = FarClient(url, frames, codec, path)
    try:
        await client.connect()
        client.instruct("make it a cold night")
        await client.edited()
        await asyncio.sleep(2.0)
        client.decoder.arrivals.clear()
        began_s = time.perf_counter()
        await asyncio.sleep(phases.clear)
        path.impairment = impairment
        await asyncio.sleep(phases.impaired)
        bitrates = [encoder["bitrate_bps"] for encoder in client.heard.stats[-1][1]["codecs"]["encoders"]]
        path.impairment = None
        ended_s = time.perf_counter() - began_s
        await asyncio.sleep(phases.after)
        arrivals = list(client.decoder.arrivals)
        samples = client.latencies(arrivals, began_s)
    finally:
        await client.close()

    bounds = (0.0, phases.clear, ended_s, ended_s + phases.after)
    clear, bad, after = (
        [sample.value for sample in samples if low <= sample.at_s < high] for low, high in pairwise(bounds)
    )
    shown = [
        sum(low <= arrival.at_s - began_s < high for arrival in arrivals) / (high - low)
        for low, high in pairwise(bounds)
    ]
    limit_ms = (percentile(clear, 0.95) or 0.0) + MARGIN_MS
    recovered = recovery_s(samples, ended_s, limit_ms)
    times = " | ".join(
        f"{fps:.1f} | {percentile(values, 0.5) or 0:.0f} / {percentile(values, 0.95) or 0:.0f}"
        for fps, values in zip(shown, (clear, bad, after), strict=True)
    )
    said = "never" if recovered is None else f"{recovered:.2f} s"
    return f"| {codec} | {times} | {said} | {sum(bitrates) / 1e6:.2f} Mbit/s |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table; 1 where the server refuses."""
    parser = argparse.ArgumentParser("python -m benchmarks.impairment", description=__doc__)
    parser.add_argument("--loss", type=float, default=0.03, help="share of packets (default 0.03)")
    parser.add_argument("--jitter-ms", type=float, default=40.0)
    parser.add_argument("--mbps", type=float, default=1.0)
    parser.add_argument("--clear", type=float, default=8.0, help="seconds before it")
    parser.add_argument("--seconds", type=float, default=12.0, help="seconds of it")
    parser.add_argument("--after", type=float, default=8.0, help="seconds after it")
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--codec", choices=("VP8", "H264"), action="append")
    options = parser.parse_args(arguments)
    width, height = map(int, options.size.split("x"))
    impairment = Impairment(options.loss, options.jitter_ms / 1000, options.mbps * 1e6)
    phases = Phases(options.clear, options.seconds, options.after)
    print(
        f"{options.size}, {options.loss:.0%} loss, {options.jitter_ms:g} ms jitter, {options.mbps:g} Mbit/s "
        f"for {options.seconds:g} s; pictures a second, and glass to glass p50 / p95 in ms\n"
    )
    print("| codec | before | ms | during | ms | after | ms | latency is back after | downlink was told |")
    print("|---|---|---|---|---|---|---|---|---|")
    try:
        with ServerProcess() as server:
            for codec in options.codec or ("VP8", "H264"):
                print(asyncio.run(run(server.url, codec, (width, height), impairment, phases)), flush=True)
    except RefusedError as error:
        print(f"benchmarks.impairment: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
