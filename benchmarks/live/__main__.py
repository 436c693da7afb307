"""`python -m benchmarks.live`: start the server, send it a clip for a while, print how it did."""

import argparse
import asyncio
import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

from benchmarks.live import clip, report
from benchmarks.live.schedule import plan
from benchmarks.live.server_process import ServerProcess
from benchmarks.live.size import camera_size

CLIP_FRAMES = 90
"""Three seconds, then back again: the camera never jumps, and 60 MB of frames are little to hold."""

FAILED = 1
USAGE_ERROR = 2


def main(arguments: list[str]) -> int:
    """Measure and print; 1 where the server or the client fails, 2 for what cannot be asked."""
    parser = argparse.ArgumentParser("python -m benchmarks.live", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long to measure (600 shows growth)")
    parser.add_argument("--client", choices=("aiortc", "chromium"), default="aiortc")
    parser.add_argument("--instruction", default="turn it into a pencil sketch", metavar="TEXT")
    parser.add_argument("--size", type=camera_size, default=(640, 480), metavar="WxH", help="the camera's")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="a video file in place of the usual clip")
    parser.add_argument("--codec", choices=("VP8", "H264"), default="VP8", help="of the aiortc client")
    parser.add_argument("--model", help="a model's name or folder (default: the server's)")
    parser.add_argument("--json", action="store_true", help="JSON alone on standard output")
    options = parser.parse_args(arguments)
    if not 1 <= options.seconds <= 86_400:
        parser.error("--seconds must be from 1 to 86400")

    try:
        figures = run(options)
    except clip.ClipError as error:
        print(f"benchmarks.live: {error}", file=sys.stderr)
        return USAGE_ERROR
    except RuntimeError as error:
        print(f"benchmarks.live: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
    print(report.as_json(figures) if options.json else report.as_table(figures))
    return 0


def run(options: argparse.Namespace) -> dict[str, Any]:
    """One measured visit.

    Raises:
        ClipError: The clip cannot be used.
        RuntimeError: The server or the client failed.
    """
    pictures, clip_name = load_clip(options.clip, options.size)
    schedule = plan(options.instruction, options.seconds)
    arguments = [] if options.model is None else ["--model", options.model]
    with ServerProcess(arguments=arguments) as server:
        _progress(
            f"{server.warm}; measuring {options.seconds:g} s after {schedule.warm_up_s:g} s of warm-up …"
        )
        if options.client == "aiortc":
            from benchmarks.live import aiortc_client

            frames = [clip.to_video(picture) for picture in pictures]
            measured = asyncio.run(
                aiortc_client.measure(server.url, server.pid, frames, schedule, options.codec)
            )
        else:
            from benchmarks.live import chromium_client

            measured = chromium_client.measure(server.url, server.pid, pictures, schedule, options.size)
        runs = model_that_runs(server.url)
    conditions = {
        **runs,
        "client": options.client,
        "clip": clip_name,
        "instruction": options.instruction,
        "warm_up_s": schedule.warm_up_s,
        "settings": {name: value for name, value in os.environ.items() if _tells(name)},
    }
    return report.report(measured, conditions)


def load_clip(path: Path | None, size: tuple[int, int]) -> tuple[list[clip.Picture], str]:
    """A loop of frames without a cut, and what it shows.

    Raises:
        ClipError: The file cannot be played.
    """
    path = path or (clip.MEDIA_CLIP if clip.MEDIA_CLIP.exists() else None)
    if path is None:
        return clip.astronaut(2 * CLIP_FRAMES, *size), clip.ASTRONAUT_SHOWN
    return clip.back_and_forth(clip.read_clip(path, CLIP_FRAMES, *size)), path.name


def model_that_runs(url: str) -> dict[str, Any]:
    """What the server says of the model it has loaded."""
    with urllib.request.urlopen(f"{url}/v1/models", timeout=10) as response:
        models = json.load(response)
    loaded = next(model for model in models if model["loaded"])
    return {
        "model": loaded["name"],
        **{key: loaded[key] for key in ("version", "compiler", "precision", "device", "steps")},
    }


def _tells(name: str) -> bool:
    return (name.startswith("AFTERIMAGE_") and name != "AFTERIMAGE_TOKEN") or name == "OMP_NUM_THREADS"


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
