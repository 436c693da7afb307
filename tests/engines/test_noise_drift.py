import torch

from engines.codecs import PatchCodec
from engines.families import NOISE_DRIFT
from engines.memory import EditState
from engines.noise_drift import drifted

CODEC = PatchCodec(2)


def noise(seed: int = 0) -> torch.Tensor:
    return torch.randn(48, 16, 20, generator=torch.Generator().manual_seed(seed))


def planes(latent: torch.Tensor) -> torch.Tensor:
    return CODEC.decode(latent[None])[0]


def test_each_plane_moves_by_whole_pixels_of_its_own() -> None:
    before = noise()

    after = drifted(before, ((3, 1), (-2, 0), (0, -5)), CODEC, torch.Generator())

    old, new = planes(before), planes(after)
    assert torch.equal(new[0, 3:, 1:], old[0, :-3, :-1])
    assert torch.equal(new[1, :-2], old[1, 2:])
    assert torch.equal(new[2, :, :-5], old[2, :, 5:])


def test_what_enters_at_the_edge_is_fresh_unit_noise() -> None:
    before = noise()

    after = drifted(before, ((14, 3), (14, -3), (-14, 0)), CODEC, torch.Generator().manual_seed(1))

    old, new = planes(before), planes(after)
    entered = torch.cat([new[0, :14].flatten(), new[1, :14].flatten(), new[2, -14:].flatten()])
    left = torch.cat([old[0, -14:].flatten(), old[1, -14:].flatten(), old[2, :14].flatten()])
    assert not torch.isclose(entered, left).any()
    assert abs(entered.mean()) < 0.05
    assert abs(entered.std() - 1) < 0.05


def test_after_a_thousand_frames_the_noise_is_still_unit_gaussian() -> None:
    state = EditState(seed=3, noise=noise())

    for _ in range(1000):
        state.move_noise(NOISE_DRIFT["snow"], CODEC)

    assert state.noise is not None
    assert abs(state.noise.mean()) < 0.03
    assert abs(state.noise.std() - 1) < 0.02


def test_the_same_seed_moves_alike() -> None:
    first, second = (EditState(seed=3, noise=noise()) for _ in range(2))

    for state in (first, second):
        for _ in range(3):
            state.move_noise(NOISE_DRIFT["rain"], CODEC)

    assert first.noise is not None
    assert second.noise is not None
    assert torch.equal(first.noise, second.noise)
