"""Encoder, denoiser and decoder of every backbone as ONNX, against PyTorch by ONNX Runtime."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from diffusers import UNet2DConditionModel

from engines.compilers.interface import FrameShape
from engines.compilers.manifest import module_digest
from engines.compilers.onnx_export import export_onnx
from engines.compilers.onnx_quantisation import quantise_onnx
from engines.compilers.onnxruntime import OnnxPart, OnnxRuntimeCompiler
from engines.compilers.parts import Part, part_digest, part_inputs, parts_of, program_inputs
from engines.compilers.placement import program_in
from engines.compilers.quantisation import ActivationRange, measure_ranges
from engines.compilers.store import EngineStore
from engines.compilers.verify import LIMIT, relative_error
from engines.model import ModelError
from engines.program import FrameProgram, ThreeBranch
from tests.engines.compilers.subjects import BACKBONES, subject
from tests.engines.stock import unet

# Neither is the shape that the export was traced with.
SHAPES = [FrameShape(1, 64, 64), FrameShape(3, 96, 64)]
DTYPES = {torch.float32: 1e-4, torch.float16: LIMIT}


def exported(part: Part, program: FrameProgram, dtype: torch.dtype, folder: Path) -> Path:
    path = folder / f"{part.name}.onnx"
    export_onnx(part, program, dtype, path)
    return path


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_each_part_is_the_same_in_onnx_at_any_batch_and_size(
    backbone: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    reference = subject(backbone)
    program = program_in(reference, dtype)
    for exact, part in zip(parts_of(reference, torch.float32), parts_of(program, dtype), strict=True):
        session = OnnxPart(exported(part, program, dtype, tmp_path), part)
        for shape in SHAPES:
            generator = torch.Generator().manual_seed(0)
            inputs = part_inputs(exact, reference, shape, torch.float32, generator)
            own = part_inputs(part, program, shape, dtype, torch.Generator().manual_seed(0))
            with torch.inference_mode():
                error = relative_error(session(*own), exact.module(*inputs))
            assert error < DTYPES[dtype], (part.name, shape)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_onnx_runtime_edits_a_frame_as_pytorch_does(backbone: str, tmp_path: Path) -> None:
    program = subject(backbone, steps=2)
    compiler = OnnxRuntimeCompiler(program, EngineStore(tmp_path))
    shape = FrameShape(1, 64, 96)
    inputs = program_inputs(program, shape, torch.Generator().manual_seed(0))
    edited, latent = compiler.compile(shape)(*inputs)
    with torch.inference_mode():
        expected, remembered = program(*inputs)

    assert relative_error(latent, remembered) < 1e-3
    assert int((edited.int() - expected.int()).abs().max()) <= 1
    assert compiler.footprint().engine_bytes > 0


def test_the_second_start_reads_what_the_first_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = FrameShape(1, 64, 64)
    OnnxRuntimeCompiler(subject("tiny"), EngineStore(tmp_path)).compile(shape)
    monkeypatch.setattr("engines.compilers.onnxruntime.export_onnx", None)
    # Other steps are the same three parts.
    OnnxRuntimeCompiler(subject("tiny", steps=4), EngineStore(tmp_path)).compile(FrameShape(1, 96, 64))

    assert len(list(tmp_path.glob("*/model.onnx"))) == 3


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_eight_bits_round_the_layers_with_a_range_and_stay_near(precision: str, tmp_path: Path) -> None:
    program = subject("tiny")
    shape = FrameShape(1, 64, 96)
    part = parts_of(program, torch.float32)[1]
    ranges = measure_ranges(program, [program_inputs(program, shape, torch.Generator().manual_seed(0))])
    path = exported(part, program, torch.float32, tmp_path)
    exact = OnnxPart(path, part)
    quantise_onnx(path, ranges, precision)  # type: ignore[arg-type]  # parametrised
    inputs = part_inputs(part, program, shape, torch.float32, torch.Generator().manual_seed(1))
    error = relative_error(OnnxPart(path, part)(*inputs), exact(*inputs))

    rounded = [node for node in onnx.load(path).graph.node if node.op_type == "QuantizeLinear"]
    # The input and the weights of each.
    assert len(rounded) == 2 * len(ranges)
    assert 1e-4 < error < 0.1


def test_a_range_without_a_layer_is_refused(tmp_path: Path) -> None:
    program = subject("tiny")
    path = exported(parts_of(program, torch.float32)[1], program, torch.float32, tmp_path)
    with pytest.raises(ModelError, match="ranges without a layer: nowhere"):
        quantise_onnx(path, {"nowhere": ActivationRange(0.0, 1.0)}, "int8")


def test_a_file_that_is_no_network_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(np.arange(9).tobytes())
    part = parts_of(subject("tiny"), torch.float32)[0]
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot load model\.onnx"):
        OnnxPart(tmp_path / "model.onnx", part)
    assert onnxruntime.__version__


def guided_by(silence: float) -> FrameProgram:
    program = subject("sd15", guided=True)
    assert isinstance(program.predict, ThreeBranch)
    program.predict.silence = torch.full((program.code_length,), silence)
    return program


def test_a_guided_frame_takes_its_silence_and_engines_of_another_silence_serve(tmp_path: Path) -> None:
    """The text encoders' rounding differs from processor to processor; engines made elsewhere must be found."""
    shape, (first, second) = FrameShape(1, 64, 64), (guided_by(0.5), guided_by(0.6))
    inputs = program_inputs(first, shape, torch.Generator().manual_seed(0))
    store = EngineStore(tmp_path)
    latents = [OnnxRuntimeCompiler(program, store).compile(shape)(*inputs)[1] for program in (first, second)]
    with torch.inference_mode():
        expected = [program(*inputs)[1] for program in (first, second)]

    assert relative_error(latents[0], expected[0]) < 1e-4
    assert relative_error(latents[1], expected[1]) < 1e-4
    assert relative_error(expected[1], expected[0]) > 1e-3
    assert len(list(tmp_path.glob("*/manifest.json"))) == 3
    assert (
        len({part_digest(parts_of(program, torch.float32)[1], program) for program in (first, second)}) == 1
    )


def test_an_engine_is_found_by_another_process_and_wherever_the_model_lies(tmp_path: Path) -> None:
    """diffusers keeps a set, and the folder it loaded from, among a network's configuration."""
    program = "\n".join(
        (
            "import sys",
            "from diffusers import UNet2DConditionModel",
            "from engines.compilers.manifest import module_digest",
            "print(module_digest(UNet2DConditionModel.from_pretrained(sys.argv[1])))",
        )
    )
    torch.manual_seed(0)
    unet(12).save_pretrained(tmp_path / "here")
    here = module_digest(UNet2DConditionModel.from_pretrained(tmp_path / "here"))
    (tmp_path / "here").rename(tmp_path / "elsewhere")
    command = [sys.executable, "-c", program, str(tmp_path / "elsewhere")]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == here


def test_weights_lie_in_a_file_beside_the_network_each_once(tmp_path: Path) -> None:
    program = subject("sd35")
    part = parts_of(program, torch.float32)[1]
    path = exported(part, program, torch.float32, tmp_path)
    weights = sum(value.nbytes for value in part.module.state_dict().values())

    assert {file.name for file in tmp_path.iterdir()} == {"denoiser.onnx", "denoiser.weights"}
    network = onnx.load(path, load_external_data=False)
    stored = [tensor for tensor in network.graph.initializer if tensor.data_location == tensor.EXTERNAL]
    lengths = [
        int(place.value) for tensor in stored for place in tensor.external_data if place.key == "length"
    ]
    assert 0.8 * weights < sum(lengths) <= weights
    assert [value.name for value in network.graph.input] == list(part.inputs)
