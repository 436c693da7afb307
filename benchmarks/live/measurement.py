"""What a run measured, in values that do not depend on which client measured them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MINUTE_S = 60.0
WINDOW_S = 10.0
"""The server's telemetry looks back this far."""

GROWTH_NEEDS_S = 2 * MINUTE_S
"""Minute one against the last needs two of them."""


@dataclass(frozen=True)
class Sample:
    """One value and when it was measured, in seconds since the warm-up ended."""

    at_s: float
    value: float


@dataclass(frozen=True)
class Times:
    """Milliseconds."""

    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Receipt:
    """What the server said of the first frame that carried an instruction."""

    text: str
    frames_waited: int
    elapsed_ms: float


@dataclass(frozen=True)
class Measurement:
    """One run, after its warm-up.

    Attributes:
        seconds: How long it was.
        arrived: Distinct edited frames that reached the client.
        sent: Camera frames the client has sent.
        glass_to_glass: One for every frame, or for every window of the page.
        glass_to_glass_p95_ms: Over the same.
        stats: The server's telemetry, one for each of its ten-second windows, oldest first.
        began, ended: Telemetry at the beginning and the end, for counts.
        receipts: For instructions changed on the way.
        server_bytes: Resident memory of the server, about every second.
        client_cpu_s, server_cpu_s, machine_cpu_s: Processor time spent; the last by everything on the machine.
        asked: Instructions sent; each is to bring a receipt.
        details: What only this client knows.
    """

    seconds: float
    arrived: int
    sent: int
    glass_to_glass: Sequence[Sample]
    glass_to_glass_p95_ms: float | None
    stats: Sequence[dict[str, Any]]
    began: dict[str, Any]
    ended: dict[str, Any]
    receipts: Sequence[Receipt]
    server_bytes: Sequence[Sample]
    client_cpu_s: float
    server_cpu_s: float
    machine_cpu_s: float
    asked: int
    details: dict[str, Any]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that at least ``share`` of the values do not exceed; None of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def median(values: Sequence[float]) -> float | None:
    """The middle one; None of none."""
    return percentile(values, 0.5)


def growth(samples: Sequence[Sample], seconds: float) -> float | None:
    """How much more the last minute's median is than minute one's, as a share; None for less than two minutes."""
    if seconds < GROWTH_NEEDS_S:
        return None
    first = median([sample.value for sample in samples if sample.at_s <= MINUTE_S])
    last = median([sample.value for sample in samples if sample.at_s >= seconds - MINUTE_S])
    return None if not first or last is None else last / first - 1.0


def growth_since_minute_one(samples: Sequence[Sample], seconds: float) -> float | None:
    """How much more the end is than the moment one minute in, as a share; None for less than two minutes.

    Of memory, which settles within the first minute; each moment is the median of ten seconds.
    """
    if seconds < GROWTH_NEEDS_S:
        return None
    first = median([sample.value for sample in samples if abs(sample.at_s - MINUTE_S) <= 5.0])
    last = median([sample.value for sample in samples if sample.at_s >= seconds - 10.0])
    return None if not first or last is None else last / first - 1.0


def window_times(windows: Sequence[dict[str, Any] | None]) -> Times:
    """The usual window's p50 and p95: their medians over the run; windows that measured nothing are left out."""
    measured = [window for window in windows if window is not None]
    return Times(
        median([float(window["p50"]) for window in measured]),
        median([float(window["p95"]) for window in measured]),
    )


def windows(
    stats: Sequence[tuple[float, dict[str, Any]]], began_s: float, seconds: float
) -> list[dict[str, Any]]:
    """The server's telemetry at the end of each ten seconds, or at the end of a shorter run."""
    chosen = []
    for number in range(max(1, int(seconds // WINDOW_S))):
        end_s = began_s + min(seconds, (number + 1) * WINDOW_S)
        chosen.append(min(stats, key=lambda entry: abs(entry[0] - end_s))[1])
    return chosen


def busy_s(times: Any) -> float:  # noqa: ANN401 - psutil has no types
    """User and system seconds; those of other users of the machine too where the times are the machine's."""
    return float(times.user + times.system + getattr(times, "nice", 0.0))
