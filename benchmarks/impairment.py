"""A live edit over a network that turns bad and good again: ``python -m benchmarks.impairment``.

The picture has to go on, and latency has to come back once the network is good again: within so many seconds of the
impairment's end a second long no picture is later than the 95th percentile before it and 50 ms, and at least half as
many are shown as before it. Latency is glass to glass, from a picture's capture to its edit's decoding in the same
process, so by one clock. What is lost, late or held back is drawn at random from a seed, in both directions.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise

import av

from benchmarks.live.aiortc_client import Arrival, RefusedError
from benchmarks.live.clip import ASTRONAUT_SHOWN, FRAME_RATE, astronaut
from benchmarks.live.impaired_path import FarClient, ImpairedPath, Impairment
from benchmarks.live.measurement import Sample, percentile
from benchmarks.live.report import machine, print_rows
from benchmarks.live.server_process import ServerProcess
from benchmarks.live.size import camera_size

CLIP_S = 4
INSTRUCTION = "make it a cold night"
MARGIN_MS = 50.0
STEADY_S = 1.0


@dataclass(frozen=True)
class Phases:
    """Seconds before, during and after."""

    clear: float
    impaired: float
    after: float


@dataclass(frozen=True)
class Shown:
    """What a phase was like.

    Attributes:
        fps: Pictures shown a second.
        p50_ms, p95_ms: Glass to glass, of those whose capture is known; None where there were none.
    """

    fps: float
    p50_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class Row:
    """One visit.

    Attributes:
        recovered_s: Seconds from the impairment's end until all was as before; None if it never was.
        told_mbps: What the server's encoder was told to keep to when the impairment ended.
        packets_dropped, packets_passed: On the way, in both directions, all phases together.
    """

    codec: str
    before: Shown
    during: Shown
    after: Shown
    recovered_s: float | None
    told_mbps: float
    packets_dropped: int
    packets_passed: int


def recovery_s(
    samples: Sequence[Sample], ended_s: float, limit_ms: float, least_fps: float = 0.0
) -> float | None:
    """Seconds from the impairment's end until a second long enough pictures came and none too late; None if never."""
    later = [sample for sample in samples if sample.at_s >= ended_s]
    for index, first in enumerate(later):
        window = [sample for sample in later[index:] if sample.at_s < first.at_s + STEADY_S]
        full = bool(window) and later[-1].at_s >= first.at_s + STEADY_S
        often = len(window) >= least_fps * STEADY_S
        if full and often and all(sample.value <= limit_ms for sample in window):
            return max(0.0, first.at_s - ended_s)
    return None


async def run(
    url: str, codec: str, size: tuple[int, int], impairment: Impairment, phases: Phases, seed: int
) -> Row:
    """One visit.

    Raises:
        RefusedError: The server does not take part.
    """
    path = ImpairedPath(seed)
    pictures = astronaut(CLIP_S * FRAME_RATE, *size)
    frames = [
        av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p") for picture in pictures
    ]
    client = FarClient(url, frames, codec, path)
    try:
        await client.connect()
        client.instruct(INSTRUCTION)
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
    before, during, after = (shown(arrivals, samples, began_s, low, high) for low, high in pairwise(bounds))
    if before.p95_ms is None:
        raise RefusedError(
            "no picture came on the clear network: this machine is too busy to measure anything"
        )
    recovered = recovery_s(samples, ended_s, before.p95_ms + MARGIN_MS, before.fps / 2)
    return Row(
        codec,
        before,
        during,
        after,
        None if recovered is None else round(recovered, 2),
        round(sum(bitrates) / 1e6, 2),
        path.dropped,
        path.passed,
    )


def shown(
    arrivals: Sequence[Arrival], samples: Sequence[Sample], began_s: float, low_s: float, high_s: float
) -> Shown:
    """What came between two times, in seconds since it began."""
    count = sum(low_s <= arrival.at_s - began_s < high_s for arrival in arrivals)
    values = [sample.value for sample in samples if low_s <= sample.at_s < high_s]
    p50_ms, p95_ms = (
        None if (value := percentile(values, share)) is None else round(value, 1) for share in (0.5, 0.95)
    )
    return Shown(round(count / (high_s - low_s), 1), p50_ms, p95_ms)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each codec; 1 where the server refuses."""
    parser = argparse.ArgumentParser("python -m benchmarks.impairment", description=__doc__)
    parser.add_argument("--loss", type=float, default=0.03, help="share of packets (default 0.03)")
    parser.add_argument("--jitter-ms", type=float, default=40.0)
    parser.add_argument("--mbps", type=float, default=1.0)
    parser.add_argument("--clear", type=float, default=8.0, help="seconds before it")
    parser.add_argument("--seconds", type=float, default=12.0, help="seconds of it")
    parser.add_argument("--after", type=float, default=8.0, help="seconds after it")
    parser.add_argument("--size", type=camera_size, default=(640, 480), metavar="WxH")
    parser.add_argument("--codec", choices=("VP8", "H264"), action="append")
    parser.add_argument("--seed", type=int, default=0, help="of what happens to packets (default 0)")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)
    width, height = options.size
    impairment = Impairment(options.loss, options.jitter_ms / 1000, options.mbps * 1e6)
    phases = Phases(options.clear, options.seconds, options.after)
    conditions = {
        "impairment": asdict(impairment),
        "seconds": asdict(phases),
        "seed": options.seed,
        "clip": ASTRONAUT_SHOWN,
        "size": f"{width}x{height}",
        "camera_fps": FRAME_RATE,
        "instruction": INSTRUCTION,
        **machine(),
    }
    try:
        with ServerProcess() as server:
            rows = [
                asdict(asyncio.run(run(server.url, codec, (width, height), impairment, phases, options.seed)))
                for codec in options.codec or ("VP8", "H264")
            ]
            conditions["model"] = server.warm
        print_rows(conditions, rows, json_alone=options.json)
    except RefusedError as error:
        print(f"benchmarks.impairment: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
