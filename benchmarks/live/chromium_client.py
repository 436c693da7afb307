"""Headless Chromium on the real page, the clip in place of its camera; the page's own measures are read."""

import json
import tempfile
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import psutil

from benchmarks.live.chromium import QUIET_FLAGS, camera_flags, find_chromium
from benchmarks.live.clip import Picture, write_y4m
from benchmarks.live.measurement import Measurement, Receipt, Sample, busy_s, median, windows
from benchmarks.live.schedule import Schedule

if TYPE_CHECKING:
    from playwright.sync_api import Page

LIVE_TIMEOUT_MS = 60_000
TICK_MS = 250
PAGE_WINDOW_S = 5.0
"""The page's own percentiles look back this far."""
LAST_WORD_MS = 700
"""The page is told of the last frames after them."""

# Keeps the page's connections where getStats can be asked of them; the page itself is untouched.
KEEP_CONNECTIONS = """
const Connection = window.RTCPeerConnection;
const connections = [];
window.RTCPeerConnection = class extends Connection {
  constructor(...args) { super(...args); connections.push(this); }
};
window.benchmarkVideo = async () => {
  const connection = connections.at(-1);
  if (connection === undefined) return {};
  const video = {};
  for (const entry of (await connection.getStats()).values()) {
    if (entry.type === "inbound-rtp" && entry.kind === "video") video.received = entry;
    if (entry.type === "outbound-rtp" && entry.kind === "video") video.sent = entry;
    if (entry.type === "codec") (video.codecs ??= {})[entry.id] = entry.mimeType;
  }
  return video;
};
"""


LIVE_EDIT = """
() => {
  const { receipts, stats, glassToGlass } = window.afterimage;
  return receipts.length > 0 && typeof stats?.frames.edited === "number" && glassToGlass !== null;
}
"""


class PageError(RuntimeError):
    """The page did not get to a live edit, or did not keep it; says what it showed."""


def measure(
    url: str, server_pid: int, pictures: Sequence[Picture], schedule: Schedule, size: tuple[int, int]
) -> Measurement:
    """Visit the server for as long as the schedule says.

    Raises:
        PageError: The page did not get to a live edit.
        NoChromiumError: No Chromium is installed.
    """
    from playwright.sync_api import sync_playwright

    program = find_chromium()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        clip = write_y4m(Path(folder) / "camera.y4m", pictures)
        flags = [*QUIET_FLAGS, *camera_flags(clip)]
        browser = playwright.chromium.launch(executable_path=program, args=flags, headless=True)
        try:
            page = browser.new_page()
            page.add_init_script(KEEP_CONNECTIONS)
            wishes = {"autostart": 1, "source": "camera", "instruction": schedule.first}
            page.goto(f"{url}/?{urlencode(wishes | {'width': size[0], 'height': size[1]})}")
            _wait_until_edited(page)
            page.wait_for_timeout(1000 * schedule.warm_up_s)
            measured = _measure(page, psutil.Process(server_pid), schedule)
            measured.details["chromium"] = browser.version
            return measured
        finally:
            browser.close()


def _wait_until_edited(page: "Page") -> None:
    from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

    try:
        # A function: the page's Content-Security-Policy refuses to evaluate a string.
        page.wait_for_function(LIVE_EDIT, timeout=LIVE_TIMEOUT_MS)
    except PlaywrightTimeoutError:
        shown = page.evaluate(
            "({state: window.afterimage.state, trouble: window.afterimage.trouble, words: document.body.innerText})"
        )
        raise PageError(f"no live edit after {LIVE_TIMEOUT_MS / 1000:g} s: {json.dumps(shown)}") from None


@dataclass(frozen=True)
class _Counts:
    """What counts up from the start, at one moment: of the browser's video, and of processors' seconds."""

    video: dict[str, Any]
    browser_s: dict[str, float]
    server_s: float
    machine_s: float


@dataclass(frozen=True)
class _Watched:
    """What was read of the page once a second, by seconds since the measurement began where not said otherwise."""

    stats: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    """By this machine's monotonic clock."""
    glass: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    displayed_fps: list[float] = field(default_factory=list)
    server_bytes: list[Sample] = field(default_factory=list)


def _measure(page: "Page", server: psutil.Process, schedule: Schedule) -> Measurement:
    first: dict[str, Any] = page.evaluate("window.afterimage")
    _require_live(first, first["reconnects"])
    browsers = browser_processes()
    before = _counts(page, browsers, server)
    began_s = time.perf_counter()
    watched, asked = _watch(page, server, schedule, began_s, first["reconnects"])
    seconds = time.perf_counter() - began_s
    after = _counts(page, browsers, server)
    page.wait_for_timeout(LAST_WORD_MS)
    last: dict[str, Any] = page.evaluate("window.afterimage")
    _require_live(last, first["reconnects"])
    watched.stats.append((time.perf_counter(), last["stats"]))

    began, ended = first["stats"], last["stats"]
    decoded = _count(after.video, before.video, "received", "framesDecoded")
    # One page window after the other, none counted twice.
    starts = {int(at_s // PAGE_WINDOW_S): (at_s, times) for at_s, times in reversed(watched.glass)}
    usual = [starts[number] for number in sorted(starts)]
    receipts = last["receipts"][len(first["receipts"]) :]
    return Measurement(
        seconds=seconds,
        arrived=min(decoded, ended["frames"]["edited"] - began["frames"]["edited"]),
        sent=_count(after.video, before.video, "sent", "framesEncoded"),
        glass_to_glass=[Sample(at_s, times["p50"]) for at_s, times in usual],
        glass_to_glass_p95_ms=median([times["p95"] for _, times in usual]),
        stats=windows(watched.stats, began_s, seconds),
        began=began,
        ended=ended,
        receipts=[Receipt(said["text"], said["frames_waited"], said["elapsed_ms"]) for said in receipts],
        server_bytes=watched.server_bytes,
        client_cpu_s=sum(after.browser_s.values()) - sum(before.browser_s.values()),
        server_cpu_s=after.server_s - before.server_s,
        machine_cpu_s=after.machine_s - before.machine_s,
        asked=asked,
        details={
            "displayed_fps": median(watched.displayed_fps),
            "shown_after_ms": [said["shown_after_ms"] for said in receipts],
            "reconnects": last["reconnects"],
            **_browser_details(before, after, seconds),
        },
    )


def _watch(
    page: "Page", server: psutil.Process, schedule: Schedule, began_s: float, reconnects: int
) -> tuple[_Watched, int]:
    """Type the schedule's instructions and read the page until it is over; also how many were typed."""
    watched = _Watched()
    changes, asked = deque(schedule.changes), 0
    while (now_s := time.perf_counter() - began_s) < schedule.seconds:
        if changes and now_s >= changes[0].at_s:
            box = page.get_by_test_id("instruction")
            box.fill(changes.popleft().text)
            box.press("Enter")
            asked += 1
        if not watched.server_bytes or now_s - watched.server_bytes[-1].at_s >= 1.0:
            # Rarely: reading the page takes its time from the video.
            snapshot = page.evaluate("window.afterimage")
            at_s = time.perf_counter()
            _require_live(snapshot, reconnects)
            watched.stats.append((at_s, snapshot["stats"]))
            if snapshot["glassToGlass"] is not None:
                watched.glass.append((at_s - began_s, snapshot["glassToGlass"]))
            if snapshot["displayedFps"] is not None:
                watched.displayed_fps.append(snapshot["displayedFps"])
            watched.server_bytes.append(Sample(now_s, float(server.memory_info().rss)))
        page.wait_for_timeout(min(TICK_MS, 1000 * (schedule.seconds - now_s)))
    return watched, asked


def _counts(page: "Page", browsers: Sequence[psutil.Process], server: psutil.Process) -> _Counts:
    return _Counts(
        page.evaluate("window.benchmarkVideo()"),
        _spent_s(browsers),
        busy_s(server.cpu_times()),
        busy_s(psutil.cpu_times()),
    )


def _browser_details(before: _Counts, after: _Counts, seconds: float) -> dict[str, Any]:
    """What the browser counted of its video, and what its processes cost."""
    ended, began = after.video, before.video
    return {
        "codec": _codec(ended, "sent"),
        "codec_of_edits": _codec(ended, "received"),
        "frames_dropped_by_browser": _count(ended, began, "received", "framesDropped"),
        "camera_size_sent": _size(ended),
        "quality_limitation": ended.get("sent", {}).get("qualityLimitationReason"),
        "encode_ms_per_frame": _mean_ms(ended, began, "sent", "totalEncodeTime", "framesEncoded"),
        "decode_ms_per_frame": _mean_ms(ended, began, "received", "totalDecodeTime", "framesDecoded"),
        "cpu_cores": {
            purpose: round((spent_s - before.browser_s.get(purpose, 0.0)) / seconds, 2)
            for purpose, spent_s in after.browser_s.items()
        },
    }


def _require_live(snapshot: dict[str, Any], reconnects: int) -> None:
    """A connection that was lost and made again begins its counts anew, with none at first.

    Raises:
        PageError: The page has no figures, or those of another connection.
    """
    if snapshot["stats"] is None or snapshot["reconnects"] != reconnects:
        state, trouble = snapshot["state"], snapshot["trouble"]
        raise PageError(
            f"the page lost its connection while it was measured: it is {state}, trouble {trouble}"
        )


def browser_processes() -> list[psutil.Process]:
    """All of the browser's processes, among the children of this one."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "chrom" in child.name()]


def _spent_s(processes: Sequence[psutil.Process]) -> dict[str, float]:
    """Processor seconds by what the browser's processes are for."""
    spent: defaultdict[str, float] = defaultdict(float)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            spent[_purpose(process.cmdline())] += busy_s(process.cpu_times())
    return dict(spent)


def _purpose(command: Sequence[str]) -> str:
    """As --type and, of a utility, --utility-sub-type say; the one without is the browser itself."""
    options = dict(
        part.lstrip("-").split("=", 1) for part in command if part.startswith("--") and "=" in part
    )
    service = options.get("utility-sub-type", "").partition(".")[0]
    return service or options.get("type", "browser")


def _count(after: dict[str, Any], before: dict[str, Any], way: str, what: str) -> int:
    return int(after.get(way, {}).get(what, 0)) - int(before.get(way, {}).get(what, 0))


def _mean_ms(
    after: dict[str, Any], before: dict[str, Any], way: str, seconds: str, frames: str
) -> float | None:
    count = _count(after, before, way, frames)
    spent_s = after.get(way, {}).get(seconds, 0.0) - before.get(way, {}).get(seconds, 0.0)
    return 1000.0 * spent_s / count if count else None


def _codec(video: dict[str, Any], way: str) -> str | None:
    name = video.get("codecs", {}).get(video.get(way, {}).get("codecId"))
    return None if name is None else str(name).removeprefix("video/")


def _size(video: dict[str, Any]) -> str | None:
    sent = video.get("sent", {})
    return f"{sent['frameWidth']}x{sent['frameHeight']}" if "frameWidth" in sent else None
