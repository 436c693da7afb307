import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from engines.memory import EditState, is_key_frame, magnitudes

LATENT = (48, 16, 16)


def picture(level: int, size: int = 64) -> NDArray[np.uint8]:
    return np.full((size, size, 3), level, np.uint8)


@pytest.mark.parametrize(
    ("interval", "key_frames"),
    [(0, [0]), (1, [0, 1, 2, 3, 4, 5, 6]), (3, [0, 3, 6]), (6, [0, 6])],
)
def test_key_frames_come_every_interval(interval: int, key_frames: list[int]) -> None:
    assert [index for index in range(7) if is_key_frame(index, interval)] == key_frames


def test_a_negative_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        is_key_frame(0, -1)


def test_frames_between_key_frames_see_the_same_memory() -> None:
    state, seen = EditState(seed=0), []
    for index in range(7):
        state.arrive(picture(100), ("sketch",), LATENT)
        seen.append(None if state.memory is None else int(state.memory[0, 0, 0]))
        state.remember(torch.full(LATENT, float(index)), interval=3)

    assert seen == [None, 0, 0, 0, 3, 3, 3]


def test_the_largest_value_of_each_latent_is_told_and_what_is_no_number() -> None:
    latents = torch.zeros(4, 2, 3, 3, dtype=torch.float16)
    latents[0, 1, 2, 0], latents[1, 0, 0, 0] = -7.5, 3.0
    latents[2, 1, 1, 1], latents[3, 0, 1, 1] = float("nan"), -float("inf")

    small, smaller, nothing, endless = magnitudes(latents)
    assert (small, smaller, endless) == (7.5, 3.0, float("inf"))
    assert nothing != nothing


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -2000.0])
def test_a_memory_that_runs_away_is_forgotten(value: float) -> None:
    state = EditState(seed=0)
    kept, away = torch.ones(1, 2, 2), torch.ones(1, 2, 2)
    away[0, 1, 0] = value

    assert state.remember(kept, 2)
    assert not state.remember(away, 2)
    assert state.memory is kept
    assert not state.remember(away, 2)
    assert state.memory is None
    assert state.remember(kept, 2)


def test_a_new_instruction_empties_the_memory() -> None:
    state = EditState(seed=0)
    state.arrive(picture(100), ("sketch",), LATENT)
    state.remember(torch.ones(LATENT), interval=3)
    state.arrive(picture(100), ("night",), LATENT)

    assert state.memory is None
    assert state.frames_since_anchor == 0


def test_a_scene_cut_empties_the_memory_and_a_small_change_does_not() -> None:
    state = EditState(seed=0)
    state.arrive(picture(40), ("sketch",), LATENT)
    state.remember(torch.ones(LATENT), interval=3)
    state.arrive(picture(60), ("sketch",), LATENT)
    assert state.memory is not None

    state.arrive(picture(200), ("sketch",), LATENT)
    assert state.memory is None


def test_a_new_size_empties_the_memory_and_draws_new_noise() -> None:
    state = EditState(seed=0)
    state.arrive(picture(40), ("sketch",), LATENT)
    state.remember(torch.ones(LATENT), interval=3)
    state.arrive(picture(40, size=128), ("sketch",), (48, 32, 32))

    assert state.memory is None
    assert state.noise is not None
    assert state.noise.shape == (48, 32, 32)


def test_the_noise_of_a_stream_stays_and_follows_its_seed() -> None:
    first, again, other = EditState(seed=1), EditState(seed=1), EditState(seed=2)
    for state in (first, again, other):
        state.arrive(picture(40), ("sketch",), LATENT)
    assert first.noise is not None
    assert again.noise is not None
    assert other.noise is not None
    kept = first.noise
    first.arrive(picture(42), ("night",), LATENT)

    assert first.noise is kept
    assert torch.equal(first.noise, again.noise)
    assert not torch.equal(first.noise, other.noise)


def test_what_a_memory_holds_is_told_with_that_of_a_joined_edit() -> None:
    state = EditState(seed=0)
    assert state.held_bytes == 0
    state.arrive(picture(40), ("sketch",), LATENT)
    alone = state.held_bytes
    assert state.noise is not None
    assert state.previous is not None
    assert alone == state.noise.nbytes + state.previous.nbytes

    state.of_pass(1).arrive(picture(40), ("sketch",), LATENT)
    assert state.held_bytes == 2 * alone
