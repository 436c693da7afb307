import subprocess
import sys
import threading
from contextlib import suppress

import pytest
import torch

from engines.compilers.interface import Compiler, Footprint, FrameShape
from engines.compilers.parts import program_inputs
from engines.compilers.programs import IDLE_S, MOST_SIZES, InPieces, Padded, Programs
from engines.editor import Editor, EditRequest
from engines.model import ModelError
from tests.engines.compilers.gated import FIRST, SECOND, GatedCompiler, eager, frame_program
from tests.engines.streams import picture, small_parts


def test_the_first_shape_is_waited_for() -> None:
    compiler = GatedCompiler()
    threading.Timer(0.3, compiler.gate.set).start()
    programs = Programs(compiler, eager)

    assert programs.now(FIRST)[1] is compiler


def test_a_later_shape_is_compiled_behind_the_frames() -> None:
    compiler = GatedCompiler()
    compiler.gate.set()
    programs = Programs(compiler, eager)
    programs.prepare(FIRST)
    compiler.gate.clear()

    assert [programs.now(SECOND)[1].name for _ in range(3)] == ["eager"] * 3
    assert programs.now(FIRST)[1] is compiler
    compiler.gate.set()
    programs.prepare(SECOND)
    assert programs.now(SECOND)[1] is compiler
    assert compiler.compiled == [FIRST, SECOND]


def test_an_impatient_compiler_lets_the_stand_in_stream_at_once_and_takes_over_between_two_frames() -> None:
    compiler = GatedCompiler()
    compiler.patience_s = 0.0
    programs = Programs(compiler, eager)

    assert programs.now(FIRST)[1].name == "eager"
    assert programs.footprint().weights_bytes > 1000
    compiler.gate.set()
    programs.prepare(FIRST)
    assert programs.now(FIRST)[1] is compiler
    assert programs.footprint().weights_bytes == 1000
    assert programs.build is None


def test_sizes_that_nobody_has_used_for_a_while_are_dropped_when_there_are_many() -> None:
    compiler, now_s = GatedCompiler(), 0.0
    compiler.gate.set()
    programs = Programs(compiler, eager, clock=lambda: now_s)
    sizes = [FrameShape(1, 64, 64 + 16 * index) for index in range(2 * MOST_SIZES)]
    for size in sizes[:MOST_SIZES]:
        programs.prepare(size)
        programs.now(size)
    now_s = IDLE_S + 1
    in_use = sizes[: MOST_SIZES // 2]
    for size in in_use:
        programs.now(size)
    for size in sizes[MOST_SIZES:]:
        programs.prepare(size)
        programs.now(size)
    compiler.compiled.clear()
    for size in (*in_use, *sizes[MOST_SIZES:]):
        assert programs.now(size)[1] is compiler
    assert compiler.compiled == [], "what is in use stays, were it more than the bound"
    for size in sizes[MOST_SIZES // 2 : MOST_SIZES]:
        programs.prepare(size)
    assert compiler.compiled == sizes[MOST_SIZES // 2 : MOST_SIZES]


@pytest.mark.parametrize(("expected_s", "remaining_s"), [(None, 30.0), (25.0, 15.0), (5.0, 0.0)])
def test_a_build_tells_its_progress_and_how_long_it_still_takes(
    expected_s: float | None, remaining_s: float
) -> None:
    """A quarter in ten seconds leaves thirty, unless an earlier build tells better."""
    compiler, seconds = GatedCompiler(), iter([100.0, 100.0, 100.0, 110.0])
    compiler.patience_s, compiler.expected = 0.0, expected_s
    programs = Programs(compiler, eager, clock=lambda: next(seconds))
    programs.now(FIRST)
    assert compiler.reported.wait(20)

    build = programs.build
    compiler.gate.set()
    assert build is not None
    assert (build.phase, build.progress, build.shape) == ("tuning", 0.25, FIRST)
    assert build.elapsed_s == 10.0
    assert build.remaining_s == remaining_s


def test_a_failed_build_leaves_the_stand_in_streaming_and_says_why() -> None:
    compiler = GatedCompiler()
    compiler.patience_s, compiler.failure = 0.0, ModelError("no room")
    programs = Programs(compiler, eager)
    programs.now(FIRST)
    compiler.gate.set()
    with pytest.raises(ModelError, match="no room"):
        programs.prepare(FIRST)

    assert programs.now(FIRST)[1].name == "eager"
    assert programs.build is not None
    assert programs.build.failure == "no room"


def test_a_library_that_fails_in_its_own_way_is_one_line() -> None:
    compiler = GatedCompiler()
    compiler.gate.set()
    compiler.failure = AssertionError("False, True\nin a kernel")
    with pytest.raises(ModelError, match=r"compiler openvino failed: AssertionError: False, True$"):
        Programs(compiler, eager).prepare(FIRST)


def test_a_batch_between_two_sizes_runs_as_the_larger() -> None:
    compiler = GatedCompiler()
    compiler.gate.set()
    programs = Programs(compiler, eager)
    three = FrameShape(3, FIRST.height, FIRST.width)
    shown = program_inputs(frame_program(), three, torch.Generator().manual_seed(0))

    edited, latent = programs.now(three)[0](*shown)
    expected = frame_program()(*shown)
    assert compiler.compiled == [FrameShape(4, FIRST.height, FIRST.width)]
    assert edited.shape == (3, FIRST.height, FIRST.width, 3)
    torch.testing.assert_close(latent, expected[1])


@pytest.mark.parametrize("failure", [None, ModelError("no room")])
def test_a_larger_batch_goes_through_the_smaller_one_until_it_is_compiled(failure: ModelError | None) -> None:
    """A stand-in would hold the weights again, for every visitor who comes."""

    def no_stand_in() -> Compiler:
        raise AssertionError("the weights were copied")

    compiler = GatedCompiler()
    compiler.batches = (1, 2, 8)
    compiler.gate.set()
    programs = Programs(compiler, no_stand_in)
    for batch in (1, 2):
        programs.prepare(FrameShape(batch, FIRST.height, FIRST.width))
    compiler.gate.clear()
    compiler.failure = failure
    five = FrameShape(5, FIRST.height, FIRST.width)
    shown = program_inputs(frame_program(), five, torch.Generator().manual_seed(0))
    expected = frame_program()(*shown)
    for ready in (False, True):
        program, ran_by = programs.now(five)
        edited, latent = program(*shown)

        assert ran_by is compiler
        assert edited.shape == (5, FIRST.height, FIRST.width, 3)
        torch.testing.assert_close(latent, expected[1])
        assert isinstance(program, Padded if ready and failure is None else InPieces)
        compiler.gate.set()
        with suppress(ModelError):
            programs.prepare(five)


def test_a_shape_that_cannot_be_compiled_says_so() -> None:
    compiler = GatedCompiler()
    compiler.gate.set()
    compiler.failure = ModelError("no room")
    programs = Programs(compiler, eager)

    for _ in range(2):
        with pytest.raises(ModelError, match="no room"):
            programs.now(FIRST)


def test_neither_an_instruction_nor_a_strength_compiles_anything() -> None:
    compiler = GatedCompiler()
    compiler.gate.set()
    parts = small_parts()
    editor = Editor(parts, frame_program(), compiler, "cpu")
    state, shown = editor.open(), picture(0, FIRST.height, FIRST.width)
    for text, strength in (("sepia", 1.0), ("negative", 1.0), ("negative", 0.5), ("thermal", 1.0)):
        editor.step([EditRequest(shown, editor.encode(text), state, strength)])

    assert compiler.compiled == [FIRST]
    assert editor.build is None
    assert editor.footprint == Footprint(weights_bytes=1000)


def test_the_result_names_what_ran_it_until_the_swap_and_after() -> None:
    compiler = GatedCompiler()
    compiler.patience_s = 0.0
    editor = Editor(small_parts(), frame_program(), compiler, "cpu")
    request = EditRequest(picture(0, FIRST.height, FIRST.width), editor.encode("sepia"), editor.open())

    assert [editor.step([request])[0].compiler for _ in range(2)] == ["eager", "eager"]
    assert editor.build is not None
    compiler.gate.set()
    editor.prepare(FIRST.height, FIRST.width)
    assert editor.step([request])[0].compiler == "openvino"


def test_the_program_ends_though_a_build_is_under_way() -> None:
    """Ctrl-C on a server must not wait for an engine of minutes; the build is told to give up."""
    script = """
import time
from engines.compilers.programs import Programs
from tests.engines.compilers.gated import FIRST, GatedCompiler, eager

class Endless(GatedCompiler):
    patience_s = 0.0

    def compile(self, shape, report):
        while True:
            time.sleep(0.01)
            report("tuning", 0.5)

programs = Programs(Endless(), eager)
print(programs.now(FIRST)[1].name)
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)

    assert (ended.returncode, ended.stdout.strip(), ended.stderr) == (0, "eager", "")
