"""The engine benchmark on models that are small enough for a test."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from PIL import Image

from benchmarks.engine import __main__ as command
from benchmarks.engine import models, parts
from benchmarks.engine.__main__ import main
from benchmarks.engine.baseline import baseline_step
from benchmarks.engine.floor import matrix_peak, operations
from benchmarks.engine.models import SUBJECTS, frame_program, network
from benchmarks.engine.report import paper_lines, ratio_to_diffusers
from benchmarks.engine.rows import DIFFUSERS, Row, Setting
from engines.compilers.cuda_graph import GraphedProgram
from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import FrameShape
from engines.compilers.onnxruntime import OnnxRuntimeCompiler
from engines.compilers.parts import Partwise, parts_of
from engines.compilers.store import EngineStore
from engines.editor import Editor
from tests.engines.compilers.subjects import subject

META = torch.device("meta")
ROW = Row("rfdm1.5", 512, 1, 1, "tiny", "tensorrt", "float16", fps=200.0, p50_ms=5.0, ratio_to_diffusers=4.0)
SMALLEST = {
    "cross_attention_dim": 16,
    "block_out_channels": (16, 16, 16, 16),
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "norm_num_groups": 8,
}


@pytest.fixture
def _smallest(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    small = replace(SUBJECTS["small1.5"], network=SMALLEST, tokens=4)
    monkeypatch.setitem(models.SUBJECTS, "small1.5", small)
    models._kept.cache_clear()
    yield
    models._kept.cache_clear()


@pytest.mark.usefixtures("_smallest")
def test_it_prints_json_alone_with_rows_and_the_ratio_and_draws_a_chart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "chart.png"
    asked = ["--device", "cpu", "--models", "small1.5", "--resolutions", "64", "--frames", "5"]
    assert main([*asked, "--quick", "--compilers", "eager", "--json", "--chart", str(chart)]) == 0

    figures = json.loads(capsys.readouterr().out)
    eager, diffusers = figures["rows"]
    assert (eager["compiler"], diffusers["compiler"]) == ("eager", DIFFUSERS)
    assert figures["ratio_to_diffusers"] == pytest.approx(diffusers["p50_ms"] / eager["p50_ms"])
    assert eager["fps"] == pytest.approx(1e3 / eager["p50_ms"])
    assert all(len(eager[part]) == 2 for part in ("encode_ms", "denoise_ms", "decode_ms"))
    assert eager["floor_ms"] > 0
    assert figures["conditions"]["device"]
    with Image.open(chart) as picture:
        assert picture.size[0] > 300


@pytest.mark.usefixtures("_smallest")
def test_the_table_names_what_ran(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["--device", "cpu", "--models", "small1.5", "--resolutions", "64", "--frames", "1"]
    assert main([*asked, "--quick", "--compilers", "eager"]) == 0

    shown = capsys.readouterr().out
    assert "eager" in shown
    assert "diffusers" in shown
    assert "ratio to diffusers" in shown


@pytest.mark.usefixtures("_smallest")
def test_what_was_measured_is_kept_when_time_runs_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.json"
    asked = ["--device", "cpu", "--models", "small1.5", "--resolutions", "64", "--frames", "1", "--quick"]
    assert main([*asked, "--compilers", "eager", "--out", str(kept), "--minutes", "5"]) == 0
    assert len(json.loads(kept.read_text())["rows"]) == 2
    assert main([*asked, "--compilers", "eager", "--minutes", "0"]) == 0

    assert "0 minutes are over: the rest is left out" in capsys.readouterr().err


@pytest.mark.usefixtures("_smallest")
def test_one_that_fails_is_told_of_and_the_others_are_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def too_large(editor: Editor, requests: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.\nmore")

    monkeypatch.setattr(Editor, "step", too_large)
    asked = ["--device", "cpu", "--models", "small1.5", "--resolutions", "64", "--frames", "1", "--quick"]
    assert main([*asked, "--compilers", "eager", "--json"]) == 0

    eager, diffusers = json.loads(capsys.readouterr().out)["rows"]
    assert eager["failure"] == "CUDA out of memory. Tried to allocate 20.00 GiB."
    assert diffusers["fps"] > 0


@pytest.mark.parametrize("package", ["diffusers", "accelerate"])
def test_what_is_not_installed_is_one_clear_line(
    package: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == package else object())
    assert main(["--quick"]) == 2
    assert capsys.readouterr().err == (
        f"benchmarks.engine: needs the package {package}:"
        " .venv/bin/pip install -c requirements.lock -e '.[backbones]'\n"
    )


def test_what_only_some_compilers_need_is_not_needed_by_the_others() -> None:
    script = (
        "import sys\n"
        "lacking = ('onnx', 'onnxruntime', 'ml_dtypes', 'openvino', 'tensorrt', 'tensorrt_rtx', 'matplotlib', 'av')\n"
        "sys.modules.update(dict.fromkeys(lacking))\n"
        "import benchmarks.engine.floor, benchmarks.engine.measure, benchmarks.engine.report"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)

    assert ended.returncode == 0, ended.stderr


def test_the_commands_models_are_those_that_can_be_timed() -> None:
    assert sorted(command.MODELS) == sorted(SUBJECTS)


def test_a_place_that_is_not_there_is_told_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--device", "cpu", "--quick", "--out", str(tmp_path / "absent" / "rows.json")]) == 2
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--resolutions", "100", "'100' is not a multiple of 16 of at least 64"),
        ("--resolutions", "0", "'0' is not a multiple of 16 of at least 64"),
        ("--batches", "0", "'0' is not a whole number of at least 1"),
        ("--batches", "-1", "'-1' is not a whole number of at least 1"),
        ("--frames", "0", "'0' is not a whole number of at least 1"),
    ],
)
def test_what_cannot_be_timed_is_refused(
    option: str, value: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--device", "cpu", "--quick", f"{option}={value}"])
    assert f"argument {option}: {says}" in capsys.readouterr().err


def test_models_without_such_a_codec_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cpu", "--models", "rfdm-tiny", "--codecs", "kl"]) == 2
    assert "nothing to time: none of these models has one of these codecs" in capsys.readouterr().err


@pytest.mark.usefixtures("_smallest")
def test_a_cell_that_breaks_costs_no_other_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(setting: Setting, *_: object) -> Iterator[list[Row]]:
        yield [replace(ROW, batch=setting.batch)]
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr("benchmarks.engine.measure.measure_cell", broken)
    kept = tmp_path / "kept.json"
    asked = ["--device", "cpu", "--models", "small1.5", "--quick", "--codecs", "tiny", "--batches", "1", "2"]
    assert main([*asked, "--out", str(kept)]) == 0

    assert [row["batch"] for row in json.loads(kept.read_text())["rows"]] == [1, 2]
    assert capsys.readouterr().err.count("the rest of this cell is left out: CUDA error") == 2


def test_a_cpu_is_asked_for_what_it_can_do_while_one_waits() -> None:
    every = command._settings(command._parser().parse_args([]), torch.device("cpu"))

    assert len(every) == 2 * 2 * 2 * 2 * 2
    assert max(each.side for each in every) == 512


def test_cells_with_a_bar_to_reach_are_timed_first() -> None:
    gpu = torch.device("cuda")
    every = command._settings(command._parser().parse_args([]), gpu)

    assert {(each.side, each.codec, each.evaluations) for each in every[:20]} == {
        (512, "tiny", 1),
        (512, "tiny", 24),
    }
    assert len(every) == 2 * 3 * 5 * 5 * 2


def test_a_device_that_is_not_there_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert main(["--device", "cuda", "--quick"]) == 2
    assert "PyTorch sees no NVIDIA GPU" in capsys.readouterr().err


@pytest.mark.parametrize("evaluations", [1, 2, 24])
@pytest.mark.usefixtures("_smallest")
def test_the_baseline_does_the_same_work(evaluations: int) -> None:
    """As many calls of the network, of as many pictures, as the frame program makes."""
    subject = models.SUBJECTS["small1.5"]
    seen: list[int] = []
    original = UNet2DConditionModel.forward

    def counted(unet: torch.nn.Module, sample: torch.Tensor, *rest: object, **named: object) -> object:
        seen.append(len(sample))
        return original(unet, sample, *rest, **named)

    pictures = np.zeros((2, 64, 64, 3), np.uint8)
    step = baseline_step(subject, "tiny", evaluations, pictures, torch.device("cpu"), torch.float32)
    program = frame_program(subject, "tiny", evaluations, META)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UNet2DConditionModel, "forward", counted)
        assert step().shape == pictures.shape
        theirs, seen[:] = list(seen), []
        operations(program, FrameShape(2, 64, 64))

    assert theirs == seen
    assert sum(theirs) == 2 * evaluations == 2 * program.evaluations


def test_the_large_models_have_the_size_of_the_real_ones() -> None:
    """SD 1.5 has 860 million parameters, SD 3.5 Medium 2.24 thousand million (counted without memory for them)."""
    unet, transformer = (network(SUBJECTS[name], 3, META) for name in ("rfdm1.5", "rfdm3.5"))

    assert sum(value.numel() for value in unet.parameters()) == pytest.approx(860e6, rel=0.01)
    assert sum(value.numel() for value in transformer.parameters()) == pytest.approx(2.24e9, rel=0.1)


def test_operations_are_counted_as_they_are() -> None:
    program = frame_program(SUBJECTS["rfdm-tiny"], "patch", 1, META)
    one, two = (operations(program, FrameShape(batch, 64, 64)) for batch in (1, 2))

    assert two == pytest.approx(2 * one, rel=0.01)
    assert matrix_peak(torch.device("cpu"), torch.float32) > 1e8


def test_parts_are_timed_as_they_run_within_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings: list[Callable[[], object]] = []

    def recorded(call: Callable[[], object]) -> Callable[[], object]:
        recordings.append(call)
        return call

    monkeypatch.setattr(parts, "_recorded", recorded)
    program, shape = subject("tiny"), FrameShape(1, 64, 64)
    eager = EagerCompiler(program, models.CPU, torch.float32)
    launched = parts.time_parts(eager, eager.compile(shape), program, shape, models.CPU)
    assert launched is not None
    assert recordings == []

    graphed = GraphedProgram.__new__(GraphedProgram)
    runs = [part.module for part in parts_of(program, torch.float32)]
    graphed.frame = Partwise(program, torch.float32, models.CPU, *runs)
    parts.time_parts(OnnxRuntimeCompiler(program, EngineStore(Path())), graphed, program, shape, models.CPU)
    assert len(recordings) == 3


def test_the_ratio_is_of_the_best_compiler_at_the_worst_setting() -> None:
    rows = [
        ROW,
        replace(ROW, compiler="eager", ratio_to_diffusers=1.2),
        replace(ROW, batch=16, ratio_to_diffusers=3.0),
        replace(ROW, compiler=DIFFUSERS, ratio_to_diffusers=1.0),
    ]
    assert ratio_to_diffusers(rows) == 3.0
    assert ratio_to_diffusers([replace(ROW, ratio_to_diffusers=None)]) is None


def test_the_papers_setting_stands_beside_its_figures() -> None:
    (line,) = paper_lines([ROW, replace(ROW, evaluations=24, p50_ms=100.0, memory_bytes=2_500_000_000)])
    assert line == "rfdm1.5, tensorrt: 16 frames in 1.6 s, 2.5 GB (paper, A100: 8 s and 2 GB)"
