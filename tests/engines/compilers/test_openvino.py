"""OpenVINO against PyTorch in float32 on the same inputs."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from torch import Tensor

from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.codecs import PatchCodec
from engines.compilers.eager import EagerCompiler
from engines.compilers.interface import CompiledProgram, FrameShape, Precision
from engines.compilers.manifest import program_digest
from engines.compilers.openvino import OpenVinoCompiler, _Shortest, quantise, trace
from engines.compilers.quantisation import ActivationRange, measure_ranges
from engines.compilers.store import EngineStore
from engines.conditioning import CODE_LENGTH, instruction_code
from engines.editor import EditRequest, load_editor
from engines.flow import flow_levels
from engines.model import ModelError
from engines.program import Direct, FrameProgram
from tests.engines.streams import SMALL

PLAIN = replace(SMALL, hue_families=(), defocus_families=())
"""Without shortcuts, which take as long to compile as the rest of a narrow network."""
SIZES = [(256, 336), (272, 480)]
Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


TRACED: dict[str, ov.Model] = {}
"""Graphs by the digest of their program."""


@pytest.fixture(autouse=True)
def traced_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scripting, tracing and converting take 4 s of processor time, ten times what a narrow network's test takes."""

    def kept(program: FrameProgram) -> ov.Model:
        digest = program_digest(program)
        if digest not in TRACED:
            TRACED[digest] = trace(program)
        return TRACED[digest].clone()

    monkeypatch.setattr("engines.compilers.openvino.trace", kept)


def program(steps: int = 1, config: TinyConfig = PLAIN) -> FrameProgram:
    """The real structure, narrow, untrained, with an output that every input reaches."""
    torch.manual_seed(0)
    denoiser = TinyDenoiser(config).eval()
    torch.nn.init.normal_(denoiser.detail.out.weight, std=0.02)
    return FrameProgram(Direct(denoiser), PatchCodec(2), flow_levels(steps))


def inputs(height: int, width: int, batch: int = 1) -> Inputs:
    """A smooth picture, a memory of it, noise."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(batch, 3, height // 16, width // 16, generator=generator)
    pixels = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    memory = PatchCodec(2).encode(pixels * 2 - 1)
    return (
        (pixels * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous(),
        memory,
        torch.randn(memory.shape, generator=generator),
        torch.nn.functional.one_hot(torch.arange(batch) + 4, CODE_LENGTH).float(),
        torch.full((batch,), 0.75),
    )


def relative_error(result: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> tuple[float, int]:
    """Root mean square of the latent's error over the latent's own, and the largest pixel's in levels."""
    latent = float((result[1] - expected[1]).square().mean().sqrt() / expected[1].square().mean().sqrt())
    return latent, int((result[0].int() - expected[0].int()).abs().max())


def compiler(
    precision: Precision, folder: Path, subject: FrameProgram, rest: Precision = "float32"
) -> OpenVinoCompiler:
    ranges = measure_ranges(subject, [inputs(64, 96)]) if precision == "int8" else None
    return OpenVinoCompiler(subject, precision, EngineStore(folder), rest=rest, ranges=ranges)


@pytest.mark.parametrize("size", SIZES)
def test_every_precision_stays_near_float32(size: tuple[int, int], tmp_path: Path) -> None:
    subject, shape, shown = program(config=TinyConfig()), FrameShape(1, *size), inputs(*size)
    reference = EagerCompiler(subject, torch.device("cpu"), torch.float32).compile(shape)(*shown)

    bounds: dict[Precision, tuple[float, int]] = {
        "float32": (1e-4, 1),
        "bfloat16": (0.02, 4),
        "int8": (0.05, 12),
    }
    for precision, (latent_bound, pixel_bound) in bounds.items():
        latent, pixel = relative_error(
            compiler(precision, tmp_path, subject).compile(shape)(*shown), reference
        )
        assert latent < latent_bound, precision
        assert pixel <= pixel_bound, precision


ASKING = ("sepia", "background_dark", "remove_balloons", "snow", "recolour", "background_replace")
"""One family that runs no part beside the trunk, one for each of the parts, and two that take a shortcut."""


def of_family(family: str, shown: Inputs) -> Inputs:
    pictures, memory, noise, _, strength = shown
    return pictures, memory, noise, instruction_code({family: 1.0}, rgb=(0.1, 0.2, 0.9))[None], strength


def test_eight_bits_stay_near_float32_whichever_parts_run(tmp_path: Path) -> None:
    subject, shape = program(config=TinyConfig()), FrameShape(1, 64, 96)
    shown = [of_family(family, inputs(64, 96)) for family in ASKING]
    reference = EagerCompiler(subject, torch.device("cpu"), torch.float32).compile(shape)
    own = OpenVinoCompiler(
        subject, "int8", EngineStore(tmp_path), ranges=measure_ranges(subject, shown)
    ).compile(shape)

    for given in (*shown, *shown):
        latent, pixel = relative_error(own(*given), reference(*given))
        assert latent < 0.05
        assert pixel <= 12


def test_every_convolution_with_a_range_is_found_in_its_branch(tmp_path: Path) -> None:
    subject = program(config=SMALL)
    graph = trace(subject)
    ranges = measure_ranges(subject, [inputs(64, 96)])

    quantise(graph, ranges)

    branches = [node for node in graph.get_ops() if node.get_type_name() == "If"]
    # Balloons, people, weather, named colours, and what is out of focus.
    assert len(branches) == 5
    rounded = [node for branch in branches for node in branch.get_function(0).get_ops()]
    assert sum(node.get_type_name() == "FakeQuantize" for node in rounded) == 2 * sum(
        name.startswith(("eraser", "field")) for name in ranges
    )


def test_each_edit_runs_the_shortest_program_that_makes_it() -> None:
    subject, ran = program(config=SMALL), list[str]()

    def runner(name: str) -> CompiledProgram:
        def run(
            pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
        ) -> tuple[Tensor, Tensor]:
            ran.append(name)
            return pictures, memory

        return run

    shortest = _Shortest({name: runner(name) for name in ("program", *subject.shortcuts())}, subject.shortcut)
    for family in ("sepia", "recolour", "background_blur", "background_dark"):
        shortest(*of_family(family, inputs(64, 96)))

    assert ran == ["program", "recolouring", "defocusing", "program"]


def test_several_steps_compile(tmp_path: Path) -> None:
    subject, shape, shown = program(steps=2), FrameShape(1, 64, 96), inputs(64, 96)
    reference = EagerCompiler(subject, torch.device("cpu"), torch.float32).compile(shape)(*shown)

    assert relative_error(compiler("float32", tmp_path, subject).compile(shape)(*shown), reference)[0] < 1e-4


def test_the_shipped_model_takes_several_steps() -> None:
    editor = load_editor("rfdm-tiny", steps=2)
    assert editor.description.precision == "int8"
    picture = np.full((64, 96, 3), 90, np.uint8)
    (result,) = editor.step([EditRequest(picture, editor.encode("make it brighter"), editor.open())])
    assert result.picture.mean() > 90


def test_a_batch_is_edited_as_if_alone(tmp_path: Path) -> None:
    subject, shown = program(), inputs(64, 96, batch=2)
    own = compiler("float32", tmp_path, subject)
    together = own.compile(FrameShape(2, 64, 96))(*shown)
    for index in range(2):
        alone = own.compile(FrameShape(1, 64, 96))(*(value[index : index + 1] for value in shown))
        assert torch.allclose(alone[1][0], together[1][index], atol=1e-4)


def test_a_result_survives_the_next_frame(tmp_path: Path) -> None:
    compiled = compiler("float32", tmp_path, program()).compile(FrameShape(1, 64, 96))
    pictures, *others = inputs(64, 96)
    first = compiled(pictures, *others)
    kept = (first[0].clone(), first[1].clone())
    compiled(255 - pictures, *others)

    assert torch.equal(first[0], kept[0])
    assert torch.equal(first[1], kept[1])


def test_the_second_start_reads_what_the_first_compiled(tmp_path: Path) -> None:
    shape, shown = FrameShape(1, 64, 96), inputs(64, 96)
    first = compiler("int8", tmp_path, program()).compile(shape)(*shown)
    second = compiler("int8", tmp_path, program())
    kept = list(tmp_path.glob("*/program.blob"))
    again = second.compile(shape)(*shown)

    assert len(kept) == 1
    assert second._graphs == {}
    assert torch.equal(first[0], again[0])


def test_other_weights_are_another_program(tmp_path: Path) -> None:
    shape, subject = FrameShape(1, 64, 96), program()
    compiler("float32", tmp_path, subject).compile(shape)
    with torch.no_grad():
        subject.predict.denoiser.get_parameter("stem.weight").mul_(1.5)
    compiler("float32", tmp_path, subject).compile(shape)

    assert len(list(tmp_path.glob("*/program.blob"))) == 2


def test_a_damaged_kept_program_is_compiled_anew(tmp_path: Path) -> None:
    shape, shown = FrameShape(1, 64, 96), inputs(64, 96)
    expected = compiler("float32", tmp_path, program()).compile(shape)(*shown)
    blob = next(tmp_path.glob("*/program.blob"))
    blob.write_bytes(blob.read_bytes()[:5000])

    assert torch.equal(compiler("float32", tmp_path, program()).compile(shape)(*shown)[0], expected[0])


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    compiled = compiler("float32", tmp_path / "file", program()).compile(FrameShape(1, 64, 96))

    assert compiled(*inputs(64, 96))[0].shape == (1, 64, 96, 3)


def test_eight_bits_without_ranges_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="never calibrated"):
        OpenVinoCompiler(program(), "int8", EngineStore(tmp_path))


def test_ranges_of_another_network_are_refused(tmp_path: Path) -> None:
    stray = OpenVinoCompiler(
        program(), "int8", EngineStore(tmp_path), ranges={"absent": ActivationRange(0.0, 1.0)}
    )
    with pytest.raises(ModelError, match="absent"):
        stray.compile(FrameShape(1, 64, 96))


def test_a_picture_that_must_not_be_written_is_taken(tmp_path: Path) -> None:
    """Decoders hand out such arrays."""
    compiled = compiler("float32", tmp_path, program()).compile(FrameShape(1, 64, 96))
    shown = inputs(64, 96)
    picture = shown[0].numpy().copy()
    picture.flags.writeable = False

    assert np.array_equal(compiled(torch.from_numpy(picture.copy()), *shown[1:])[0], compiled(*shown)[0])


def test_openvino_reports_to_nobody(tmp_path: Path) -> None:
    """Its package for that keeps a number of this user's in the home folder and imports its sender."""
    reporting = "[name for name in sys.modules if name.startswith('openvino_telemetry.')]"
    run = subprocess.run(
        [sys.executable, "-c", f"import sys, engines.compilers.openvino; print({reporting})"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )

    assert run.stdout == "[]\n"
    assert list(tmp_path.iterdir()) == []


def test_a_program_counts_for_as_long_as_it_is_kept(tmp_path: Path) -> None:
    compiler = OpenVinoCompiler(program(), "float32", EngineStore(tmp_path))
    first, second = (compiler.compile(FrameShape(1, *size)) for size in ((64, 64), (64, 96)))
    both = compiler.footprint().engine_bytes
    del first
    assert 0 < compiler.footprint().engine_bytes < both
    del second
    assert compiler.footprint().engine_bytes == 0
