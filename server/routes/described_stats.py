"""A session's telemetry as the interface's description shows it."""

from typing import Any


def _of(p50: float, p95: float) -> dict[str, float]:
    return {"p50": p50, "p95": p95}


STATS: dict[str, Any] = {
    "frames": {
        "in": 902,
        "edited": 899,
        "repeated": 0,
        "passed": 1,
        "dropped": {
            "network": 0,
            "decode": 0,
            "inbox": 1,
            "edit": 0,
            "outbox": 1,
            "frame_rate": 0,
            "encode": 0,
            "frozen": 0,
        },
    },
    "fps": {"in": 30.0, "out": 30.0},
    "stages_ms": {
        "uplink": _of(3.1, 5.2),
        "decode": _of(1.4, 2.6),
        "wait": _of(0.6, 4.9),
        "edit": _of(14.2, 17.8),
        "detail": _of(2.3, 3.1),
        "encode": _of(5.7, 8.4),
        "downlink": _of(4.8, 7.0),
    },
    "server_ms": _of(25.3, 33.9),
    "glass_to_glass_ms": _of(58.0, 71.0),
    "displayed_fps": 30.0,
    "memory": {
        "process_bytes": 651_000_000,
        "weights_bytes": 0,
        "engine_bytes": 26_510_519,
        "workspace_bytes": 0,
        "session_bytes": 2_101_248,
        "device_allocated_bytes": None,
        "device_reserved_bytes": None,
        "device_peak_bytes": None,
        "device_free_bytes": None,
    },
    "model": "rfdm-tiny",
    "version": "8",
    "compiler": "openvino",
    "build": None,
    "precision": "int8",
    "device": "cpu",
    "steps": 1,
    "evaluations": 1,
    "layers": 1,
    "drift": None,
    "instruction_apply_ms": 48.2,
    "size": {"in": [640, 480], "edit": [336, 256], "shown": [640, 480]},
    "viewers": [],
    "encoders": 0,
    "codecs": {
        "decoder": "libvpx",
        "encoders": [
            {
                "codec": "VP8",
                "name": "libvpx",
                "bitrate_bps": 2_394_537,
                "width": 640,
                "height": 480,
                "level": None,
            }
        ],
    },
    "uptime_s": 30.4,
}
