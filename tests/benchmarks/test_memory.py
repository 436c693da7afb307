import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.endurance import endure, minute_of
from benchmarks.endurance import main as endurance
from benchmarks.endurance import table as endurance_table
from benchmarks.memory import Figures, pops_at, rules, table
from benchmarks.memory import main as memory
from benchmarks.memory_rules import (
    Compensated,
    Interval,
    NoCuts,
    Reanchored,
    Start,
    StillSkipper,
    block_flow,
    global_flow,
    moved,
)
from benchmarks.photographs import UNSEEN
from benchmarks.reels import EXACT, Reel, asked, load_reels, targets
from engines.codecs import PatchCodec
from engines.colours import COLOURS
from engines.conditioning import instruction_code
from engines.training.targets import edit
from tests.engines.streams import small_parts
from tests.engines.test_editor import editor

LATENT = (48, 16, 16)


def textured(seed: int = 0, size: int = 96) -> NDArray[np.uint8]:
    """Blots of a few cells, so that a shift of a cell is seen."""
    coarse = torch.rand(1, 3, size // 8, size // 8, generator=torch.Generator().manual_seed(seed))
    picture = torch.nn.functional.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0, 1)[0]
    return np.ascontiguousarray((picture * 255).to(torch.uint8).permute(1, 2, 0).numpy())


def luma(picture: NDArray[np.uint8]) -> torch.Tensor:
    from benchmarks.memory_rules import coarse_luma

    return coarse_luma(picture)


@pytest.mark.parametrize("estimate", [global_flow, block_flow])
@pytest.mark.parametrize(("right", "down"), [(0, 0), (8, 0), (-4, 8)])
def test_a_shift_of_whole_cells_is_found(estimate: object, right: int, down: int) -> None:
    assert callable(estimate)
    large = textured(size=160)
    before, now = large[32:128, 32:128], large[32 - down : 128 - down, 32 - right : 128 - right]
    flow = estimate(luma(before), luma(np.ascontiguousarray(now)))

    centre = flow[:, 6:-6, 6:-6].median(2).values.median(1).values
    torch.testing.assert_close(centre, torch.tensor([-right / 4, -down / 4]), atol=0.3, rtol=0)


def test_a_latent_is_moved_as_its_pixels_are() -> None:
    pixels = torch.rand(1, 3, 64, 64)
    codec = PatchCodec(2)
    flow = torch.tensor([1.0, 0.0]).view(2, 1, 1).expand(2, 16, 16)
    shifted = codec.decode(moved(codec.encode(pixels)[0], flow)[None])

    torch.testing.assert_close(shifted[..., :-4], pixels[..., 4:], atol=1e-4, rtol=1e-4)


def test_a_memory_without_motion_is_left_alone() -> None:
    state = Compensated(seed=0, flow=block_flow)
    latent = torch.rand(48, 24, 24) * 2 - 1
    for _ in range(2):
        state.arrive(textured(), ("sketch",), (48, 24, 24))
        state.remember(latent, 3)
    assert state.memory is not None

    torch.testing.assert_close(state.memory, latent, atol=1e-4, rtol=1e-4)


def memories(state: Reanchored | Interval, frames: int) -> list[float | None]:
    seen: list[float | None] = []
    for index in range(frames):
        state.arrive(np.full((64, 64, 3), 100, np.uint8), ("sketch",), LATENT)
        seen.append(None if state.memory is None else round(float(state.memory[0, 0, 0]), 3))
        state.remember(torch.full(LATENT, 1.0 + index), 3)
    return seen


def test_re_anchoring_empties_the_memory_on_time() -> None:
    assert memories(Reanchored(seed=0, every=5), 8) == [None, 1, 1, 1, 4, None, 6, 6]


def test_re_anchoring_fades_before_it_empties() -> None:
    assert memories(Reanchored(seed=0, every=6, fade=2), 8) == [None, 1, 1, 1, 2.667, 1.333, None, 7]


def test_other_intervals_are_kept_whatever_the_model_says() -> None:
    assert memories(Interval(seed=0, own_interval=1), 4) == [None, 1, 2, 3]
    assert memories(Interval(seed=0, own_interval=None), 3) == [None, None, None]


def test_without_the_gate_a_cut_is_not_noticed() -> None:
    state = NoCuts(seed=0)
    state.arrive(np.full((64, 64, 3), 10, np.uint8), ("sketch",), LATENT)
    state.remember(torch.ones(LATENT), 3)
    state.arrive(np.full((64, 64, 3), 240, np.uint8), ("sketch",), LATENT)

    assert state.memory is not None


def test_a_frame_is_still_until_a_cell_has_changed() -> None:
    skipper = StillSkipper(2.0)
    picture = np.full((32, 32, 3), 100, np.uint8)
    grain = picture.copy()
    grain[::2] += 1
    moved_on = picture.copy()
    moved_on[:4, :4] += 9

    assert [skipper.is_still(shown) for shown in (picture, grain, moved_on, moved_on)] == [
        False,
        True,
        False,
        True,
    ]


def test_less_motion_starts_from_less_noise() -> None:
    start = Start(((0.01, 0.4), (0.03, 0.7)), 1.0)

    assert [start.sigma(motion) for motion in (0.0, 0.02, 0.5)] == [0.4, 0.7, 1.0]


def test_a_pop_is_a_change_greater_than_the_targets() -> None:
    target = torch.tensor([0.0, 0.1, 0.2]).view(3, 1, 1, 1).expand(3, 3, 4, 4)
    edited = torch.tensor([0.0, 0.2, 0.3]).view(3, 1, 1, 1).expand(3, 3, 4, 4)

    assert pops_at(edited, target, [0, 1, 2]) == [pytest.approx(2.0, abs=1e-4), pytest.approx(1.0, abs=1e-4)]


def test_the_worst_pop_is_called_so() -> None:
    figures = Figures(30.0, 30.0, 0.0, 0.0, worst_pop=1.4, evaluations=1.0, cpu_ms=None)
    shown = table([(rules()[0], figures)])

    cells = {column.header: list(column.cells) for column in shown.columns}
    assert cells["worst pop"] == ["1.40"]


def test_every_rule_of_the_memory_is_measured() -> None:
    assert rules()[0].group == "as shipped"
    groups = {rule.group for rule in rules()}

    assert {"key-frame interval", "re-anchoring", "motion-compensated mean", "start level"} <= groups
    assert "skip of still frames" in groups


def test_reels_need_no_media() -> None:
    reels = load_reels(None, 32, 5)

    assert all(reel.frames.shape == (5, 3, 32, 32) for reel in reels)
    assert targets("sepia", reels[0].frames).shape == (5, 3, 32, 32)


def test_what_is_asked_for_is_what_a_reel_has_targets_of() -> None:
    subject, grey = editor(), torch.full((2, 3, 16, 16), 128, dtype=torch.uint8)
    blue = torch.tensor(COLOURS["blue"]).view(1, 3, 1, 1)

    tinted = edit("tint", grey / 255, torch.ones(1, 1, 1, 1), blue)
    torch.testing.assert_close(targets("tint", grey), tinted)
    expected = instruction_code({"tint": 1.0}, 1.0, COLOURS["blue"])
    assert torch.equal(asked(subject, "tint").code, expected)
    assert all(targets(family, grey).shape == grey.shape for family in EXACT)
    assert {"snow", "remove_balloons", "background_blur"}.isdisjoint(EXACT)


def test_a_model_that_was_not_taught_a_family_has_no_target() -> None:
    parts = replace(small_parts(), families=())

    with pytest.raises(ValueError, match="small was not taught sepia"):
        asked(editor(parts), "sepia")


def test_a_minute_is_clips_there_and_back_with_cuts_between() -> None:
    reels = [
        Reel(str(c), torch.arange(4).view(4, 1, 1, 1).expand(4, 3, 16, 16).byte() + 10 * c) for c in (0, 1)
    ]
    minute = minute_of(reels, "unchanged", 12)

    assert [int(shown[0, 0, 0]) for shown in minute.pictures] == [0, 1, 2, 3, 2, 1, 10, 11, 12, 13, 12, 11]
    assert minute.cuts == {0, 6}
    assert all(np.array_equal(a, b) for a, b in zip(minute.pictures, minute.targets, strict=True))


def test_every_minute_is_measured_and_re_anchored() -> None:
    minute = minute_of(load_reels(None, 32, 6), "sepia", 24)
    subject = editor()
    figures = endure(subject, minute, asked(subject, "sepia"), 3, 10, Console(quiet=True))

    assert figures.frames == 72
    assert len(figures.minutes_psnr_db) == 3
    assert figures.cuts == 3 * len(UNSEEN) - 1
    assert figures.reanchored > 0
    assert figures.worst_pop is not None
    assert figures.worst_change_elsewhere > 0
    assert figures.worst_pop_against_unbroken is not None
    assert figures.worst_pop_against_unbroken > 0
    assert figures.lost_db == pytest.approx(figures.first_minute_psnr_db - figures.last_minute_psnr_db)


def test_a_stream_that_is_not_emptied_has_no_pops() -> None:
    subject, minute = editor(), minute_of(load_reels(None, 32, 6), "sepia", 12)
    figures = endure(subject, minute, asked(subject, "sepia"), 1, 0, Console(quiet=True))

    assert figures.reanchored == 0
    assert figures.worst_pop is figures.worst_pop_against_unbroken is None
    console = Console(width=120, file=io.StringIO())
    console.print(endurance_table(figures))
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"^\| frames +\| +12 \|$", written, re.MULTILINE)
    assert "None" not in written


@pytest.mark.parametrize("program", [memory, endurance])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--model", "absent"], "no model 'absent'"), (["--size", "33"], "multiple of 16")],
)
def test_what_cannot_be_run_is_one_clear_line(
    program: object, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(program)
    assert program([*arguments, "--frames", "2"]) == 2
    assert message in capsys.readouterr().err
