"""Engines of a model's size by random weights, for a GPU that is elsewhere."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.engine import ahead, models
from benchmarks.engine.ahead import main
from tests.benchmarks.engine.test_engine import SMALLEST

pytest.importorskip("tensorrt_rtx_bindings")


def test_it_builds_the_engines_and_tells_what_that_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small = replace(models.SUBJECTS["small1.5"], network=SMALLEST, tokens=4)
    monkeypatch.setitem(models.SUBJECTS, "small1.5", small)
    asked = ["--target", "sm89", "--sizes", "64x64", "--batches", "1", "2", "--scratch", str(tmp_path)]
    assert main(["small1.5", *asked, "--json"]) == 0

    told = json.loads(capsys.readouterr().out)
    assert [each["part"] for each in told["engines"]] == ["encoder", "denoiser", "decoder"]
    assert all(each["profiles"] == 2 and each["engine_bytes"] > 10_000 for each in told["engines"])
    assert told["conditions"]["target"] == "sm89"
    assert not list(tmp_path.iterdir())


def test_a_gpu_that_no_engine_can_be_built_for_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rfdm-tiny", "--target", "sm61"]) == 2

    error = capsys.readouterr().err
    assert error.startswith("benchmarks.engine.ahead: compiler tensorrt-rtx does not build for sm61")
    assert error.count("\n") == 1


def test_a_shorter_transformer_is_named_as_one() -> None:
    shorter = ahead._shortened(models.SUBJECTS["rfdm3.5"], 11)

    assert shorter.name == "rfdm3.5 of 11 layers"
    assert shorter.network["dual_attention_layers"] == tuple(range(11))
    assert ahead._shortened(models.SUBJECTS["rfdm1.5"], 11) is models.SUBJECTS["rfdm1.5"]
