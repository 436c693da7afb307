import json
from typing import Any

import pytest

from benchmarks.live.report import print_rows

CONDITIONS = {"size": "640x480", "load_average": [0.5, 0.4]}
ROWS: list[dict[str, Any]] = [
    {"codec": "VP8", "before": {"fps": 30.0, "p50_ms": None}},
    {"codec": "H264", "before": {"fps": 29.5, "p50_ms": 41.0}},
]


def test_json_is_alone_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(CONDITIONS, ROWS, json_alone=True)
    assert json.loads(capsys.readouterr().out) == {"conditions": CONDITIONS, "rows": ROWS}


def test_a_table_has_its_conditions_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(CONDITIONS, ROWS, json_alone=False)
    assert capsys.readouterr().out.splitlines() == [
        'size: "640x480"',
        "load_average: [0.5, 0.4]",
        "",
        "| codec | before fps | before p50 ms |",
        "|---|---|---|",
        "| VP8 | 30.0 | - |",
        "| H264 | 29.5 | 41.0 |",
    ]
