"""What a run says: its figures, and beside them everything they depend on."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

from benchmarks.live.measurement import (
    Measurement,
    growth,
    growth_since_minute_one,
    median,
    percentile,
    window_times,
)

PACKAGES = ("torch", "openvino", "aiortc", "av", "numpy")
STAGES = ("uplink", "decode", "wait", "edit", "detail", "encode", "downlink")


def report(measured: Measurement, conditions: dict[str, Any]) -> dict[str, Any]:
    """All figures of a run; null where one was not measured, never 0."""
    stats, seconds = measured.stats, measured.seconds
    server = window_times([entry["server_ms"] for entry in stats])
    glass = [sample.value for sample in measured.glass_to_glass]
    waits = [receipt.frames_waited for receipt in measured.receipts]
    answered = len(waits) >= measured.asked
    frames = max(1, measured.arrived)
    sizes = measured.ended["size"]
    busy = measured.client_cpu_s + measured.server_cpu_s
    return {
        "edited_fps": _rounded(measured.arrived / seconds, 2),
        "server_p50_ms": _rounded(server.p50),
        "server_p95_ms": _rounded(server.p95),
        "server_p95_worst_window_ms": _rounded(
            percentile([entry["server_ms"]["p95"] for entry in stats if entry["server_ms"]], 1.0)
        ),
        "glass_to_glass_p50_ms": _rounded(median(glass)),
        "glass_to_glass_p95_ms": _rounded(measured.glass_to_glass_p95_ms),
        "receipt_frames": max(waits) if waits and answered else None,
        "receipt_ms": _rounded(percentile([receipt.elapsed_ms for receipt in measured.receipts], 1.0)),
        "instruction_changes": measured.asked,
        "receipts": len(waits),
        "memory_growth": _rounded(growth_since_minute_one(measured.server_bytes, seconds), 4),
        "latency_growth": _rounded(growth(measured.glass_to_glass, seconds), 4),
        "server_mib": _rounded(measured.server_bytes[-1].value / 2**20 if measured.server_bytes else None, 1),
        "camera_fps": _rounded(measured.sent / seconds, 2),
        "frames": _counts(measured),
        "dropped": {
            reason: count - measured.began["frames"]["dropped"][reason]
            for reason, count in measured.ended["frames"]["dropped"].items()
        },
        "stages_ms": {
            stage: {"p50": _rounded(times.p50), "p95": _rounded(times.p95)}
            for stage in STAGES
            for times in [window_times([entry["stages_ms"][stage] for entry in stats])]
        },
        "cpu": {
            "server_ms_per_frame": _rounded(1000.0 * measured.server_cpu_s / frames),
            "client_ms_per_frame": _rounded(1000.0 * measured.client_cpu_s / frames),
            "server_cores": _rounded(measured.server_cpu_s / seconds, 2),
            "client_cores": _rounded(measured.client_cpu_s / seconds, 2),
            "other_cores": _rounded(max(0.0, measured.machine_cpu_s - busy) / seconds, 2),
        },
        "client_details": measured.details,
        "conditions": {
            **conditions,
            "measured_s": _rounded(seconds, 1),
            "camera_size": _size(sizes["in"]),
            "edit_size": _size(sizes["edit"]),
            **machine(),
        },
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def cpu_model() -> str:
    """The processor's name."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def as_json(figures: dict[str, Any]) -> str:
    """One object."""
    return json.dumps(figures, indent=2)


def print_rows(conditions: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, json_alone: bool) -> None:
    """Like figures of several runs: as JSON, or as the conditions and a table of them."""
    if json_alone:
        print(json.dumps({"conditions": conditions, "rows": rows}, indent=2))
        return
    for name, value in conditions.items():
        print(f"{name}: {json.dumps(value)}")
    flat = [dict(_flattened(row)) for row in rows]
    print(f"\n| {' | '.join(flat[0])} |\n|{'---|' * len(flat[0])}")
    for row in flat:
        print(f"| {' | '.join('-' if value is None else str(value) for value in row.values())} |")


def _flattened(row: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        words = f"{before}{name.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{words} ")
        else:
            yield words, value


def as_table(figures: dict[str, Any]) -> str:
    """For a person: the figures that are promised first, then where the time goes, then the conditions."""
    shown = figures["conditions"]
    packages = ", ".join(f"{name} {number}" for name, number in shown["packages"].items())
    rows = [
        ("edited frames a second", figures["edited_fps"], ""),
        ("server, packet in to out, p50", figures["server_p50_ms"], "ms"),
        ("server, packet in to out, p95", figures["server_p95_ms"], "ms"),
        ("glass to glass, p50", figures["glass_to_glass_p50_ms"], "ms"),
        ("glass to glass, p95", figures["glass_to_glass_p95_ms"], "ms"),
        ("receipt after, worst", figures["receipt_frames"], "frames"),
        ("memory since minute one", _percent(figures["memory_growth"]), ""),
        ("latency, last minute to first", _percent(figures["latency_growth"]), ""),
        ("camera frames a second", figures["camera_fps"], ""),
        ("server memory", figures["server_mib"], "MiB"),
    ]
    lines = [f"{name:34}{_shown(value):>10} {unit}".rstrip() for name, value, unit in rows]
    lines += ["", f"{'milliseconds':34}{'p50':>10}{'p95':>10}"]
    lines += [
        f"{stage:34}{_shown(times['p50']):>10}{_shown(times['p95']):>10}"
        for stage, times in figures["stages_ms"].items()
    ]
    lines += ["", f"{'processor':34}{'server':>10}{'client':>10}{'others':>10}"]
    cpu = figures["cpu"]
    lines += [
        f"{'ms per edited frame':34}{_shown(cpu['server_ms_per_frame']):>10}{_shown(cpu['client_ms_per_frame']):>10}",
        f"{'cores':34}{_shown(cpu['server_cores']):>10}{_shown(cpu['client_cores']):>10}"
        f"{_shown(cpu['other_cores']):>10}",
        "",
        "frames   " + _listed(figures["frames"]),
        "dropped  " + _listed(figures["dropped"]),
        "client   " + _listed({"kind": shown["client"], **figures["client_details"]}),
        "",
        f"{shown['model']} {shown['version']}, {shown['steps']} step(s), {shown['compiler']}, "
        f"{shown['precision']}, {shown['device']}; camera {shown['camera_size']}, edited at {shown['edit_size']}",
        f"clip {shown['clip']}; {shown['measured_s']} s after {shown['warm_up_s']} s of warm-up",
        f"{shown['cpu']}, {shown['cores']} core(s), load {' '.join(map(str, shown['load_average']))}; "
        f"Python {shown['python']}, {packages}",
    ]
    return "\n".join(lines)


def _counts(measured: Measurement) -> dict[str, int]:
    before, after = measured.began["frames"], measured.ended["frames"]
    kinds = [kind for kind in ("in", "edited", "repeated", "passed") if kind in after]
    counted = {kind: after[kind] - before[kind] for kind in kinds}
    return {"sent": measured.sent, **counted, "arrived": measured.arrived}


def _size(size: Sequence[int] | None) -> str | None:
    return None if size is None else f"{size[0]}x{size[1]}"


def _rounded(value: float | None, digits: int = 1) -> float | None:
    return None if value is None else round(value, digits)


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{100 * share:+.1f} %"


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_shown(value)}" for name, value in values.items())
