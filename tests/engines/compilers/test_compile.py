import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from engines.compilers import compile as compile_module
from engines.compilers.compile import main
from engines.compilers.verify import LIMIT, Check, relative_error
from engines.edit_size import USUAL_CAMERAS, edit_size
from tests.engines.streams import write_small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_small_model(tmp_path_factory.mktemp("model") / "small"))


def run(model: str, compiler: str, folder: Path, *more: str) -> int:
    return main([model, "--compiler", compiler, "--sizes", "96x64", "--out", str(folder), *more])


@pytest.mark.parametrize("compiler", ["openvino", "onnxruntime"])
def test_engines_that_run_here_are_compared_with_pytorch(
    compiler: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--precision", "float32"] if compiler == "openvino" else []
    assert run(model, compiler, tmp_path, "--verify", *more) == 0

    shown = capsys.readouterr().out
    compared = ("latent", "picture") if compiler == "openvino" else ("encoder", "denoiser", "decoder")
    assert all(f"{what} 1 x 96x64" in shown for what in compared)
    assert f"{tmp_path}/{compiler}-" in shown


def test_a_compiler_that_needs_no_onnx_is_run_without_it(model: str, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('onnx', 'onnxruntime', 'ml_dtypes')))\n"
        "from engines.compilers.compile import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    asked = [model, "--compiler", "openvino", "--precision", "float32", "--sizes", "64x64", "--verify"]
    command = [sys.executable, "-c", script, *asked, "--out", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)

    assert ended.returncode == 0, ended.stderr
    assert "latent 1 x 64x64" in ended.stdout


def test_engines_for_a_gpu_elsewhere_say_that_they_are_not_compared(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--target", "sm86", "--batches", "2", "1", "--verify"]
    assert run(model, "tensorrt-rtx", tmp_path, *options) == 0

    shown = capsys.readouterr().out
    assert "The engines for sm86 cannot run on this machine and are not compared." in shown
    assert "denoiser network" in shown
    assert len(list(tmp_path.glob("tensorrt-rtx-*/engine.plan"))) == 3


def test_an_engine_too_far_from_pytorch_is_refused_and_removed(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        compile_module, "verify_program", lambda *_: (Check("latent", "openvino", 2 * LIMIT),)
    )
    assert run(model, "openvino", tmp_path, "--precision", "float32", "--verify") == 1

    assert "above 0.02: refused" in capsys.readouterr().out
    assert list(tmp_path.glob("*/manifest.json")) == []


@pytest.mark.parametrize(
    ("compiler", "more", "line"),
    [
        ("openvino", ["--target", "sm89"], "--target names an NVIDIA GPU"),
        ("onnxruntime", ["--precision", "int8"], "computes in float32, not in int8"),
        ("tensorrt-rtx", ["--target", "sm89", "--precision", "fp8"], "never calibrated for fp8"),
        ("tensorrt-rtx", ["--target", "sm89", "--batches", "0"], "a batch of 0 frames cannot be edited"),
        ("tensorrt-rtx", ["--target", "sm90"], "does not build for sm90: sm75"),
        ("openvino", ["--sizes", "60x96"], "60x96 is not a multiple of 16 both ways"),
    ],
)
def test_what_cannot_be_made_is_one_clear_line(
    compiler: str, more: list[str], line: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, compiler, tmp_path, *more) == 2

    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("afterimage compile: ")
    assert line in said[0]


def test_a_place_that_cannot_be_written_is_told_before_anything_is_built(
    model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, "openvino", Path("/proc/engines")) == 2
    assert "/proc/engines cannot be written" in capsys.readouterr().err


def test_too_little_disk_is_told_before_anything_is_built(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engines.compilers.compile.shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    assert run(model, "tensorrt-rtx", tmp_path, "--target", "sm89") == 2
    assert "0.0 MB are free" in capsys.readouterr().err


def test_engines_of_an_earlier_command_are_not_listed(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(model, "onnxruntime", tmp_path) == 0
    for folder in tmp_path.iterdir():
        os.utime(folder, (0, 0))
    capsys.readouterr()
    assert run(model, "tensorrt-rtx", tmp_path, "--target", "SM89", "--batches", "1") == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all("float16 for sm89" in line for line in lines)


def test_engines_are_made_for_the_sizes_that_are_served(model: str, tmp_path: Path) -> None:
    options = ["--compiler", "tensorrt-rtx", "--target", "sm89", "--batches", "1", "--out", str(tmp_path)]
    assert main([model, *options]) == 0

    (manifest,) = (json.loads(path.read_text()) for path in tmp_path.glob("*-encoder-*/manifest.json"))
    made = {(shape["width"], shape["height"]) for shape in manifest["manifest"]["shapes"]}
    assert made == {edit_size(*camera, 256) for camera in USUAL_CAMERAS}


def test_being_told_to_end_ends_it_as_ctrl_c_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(compile_module, "_plan", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert main(["rfdm-tiny", "--compiler", "openvino", "--out", str(tmp_path)]) == 130
    assert "interrupted; the same command goes on" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(str(tmp_path / "absent"), "openvino", tmp_path) == 2
    assert "no model" in capsys.readouterr().err


def test_the_relative_error_is_that_of_root_mean_squares() -> None:
    reference = torch.tensor([3.0, 4.0])
    assert relative_error(torch.tensor([3.0, 4.5]), reference) == pytest.approx(0.1)
    assert relative_error(reference, reference) == 0.0
    assert not Check("latent", "x", float("nan")).passed
    with pytest.raises(ValueError, match="shapes differ"):
        relative_error(torch.zeros(2), torch.zeros(3))
