import pytest
import torch
from torch import Tensor

from engines.training.forcing import RFDM, ConditionDropout, Method, frame_losses

SHAPE = (3, 8, 48, 4, 4)


def latents(seed: int) -> Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


class Watching:
    """Predicts the source, and keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]] = []

    def __call__(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        self.seen.append((noisy, source, memory, sigma, code))
        return source


def watch(
    method: Method, dropout: ConditionDropout, first_level_share: float = 1.0
) -> tuple[Watching, list[Tensor]]:
    predict = Watching()
    losses = frame_losses(
        predict,
        latents(0),
        latents(1),
        torch.ones(8, 5),
        method,
        dropout,
        first_level_share,
        torch.Generator().manual_seed(3),
    )
    return predict, list(losses)


def test_each_frames_loss_is_its_mean_squared_error() -> None:
    _, losses = watch(RFDM, ConditionDropout())
    expected = (latents(0) - latents(1)).square().mean((1, 2, 3, 4))

    torch.testing.assert_close(torch.stack(losses), expected)


def test_the_first_frame_has_no_memory_and_the_next_the_last_prediction() -> None:
    predict, _ = watch(RFDM, ConditionDropout())

    assert not predict.seen[0][2].any()
    assert torch.equal(predict.seen[1][2], latents(0)[0])


def test_teacher_forcing_remembers_the_target() -> None:
    predict, _ = watch(Method(forcing="teacher"), ConditionDropout())

    assert torch.equal(predict.seen[2][2], latents(1)[1])


def test_a_source_only_network_is_not_shown_the_memory_its_noise_is_still_centred_on() -> None:
    predict, _ = watch(Method(condition="source"), ConditionDropout())
    noisy, _, memory, _, _ = predict.seen[1]

    assert not memory.any()
    assert torch.corrcoef(torch.stack([noisy.flatten(), latents(0)[0].flatten()]))[0, 1] > 0.3


def test_full_frame_flow_centres_the_noise_on_zero() -> None:
    predict, _ = watch(Method(flow="full_frame"), ConditionDropout())
    noisy, _, memory, _, _ = predict.seen[1]

    assert memory.any()
    assert abs(float(torch.corrcoef(torch.stack([noisy.flatten(), latents(0)[0].flatten()]))[0, 1])) < 0.05


def test_at_the_first_level_the_noisy_latent_tells_nothing_of_the_target() -> None:
    predict, _ = watch(RFDM, ConditionDropout(), first_level_share=1.0)

    assert torch.equal(predict.seen[0][3], torch.ones(8))
    assert watch(RFDM, ConditionDropout(), first_level_share=0.0)[0].seen[0][3].max() < 1


@pytest.mark.parametrize(
    ("dropout", "source_left", "instruction_left"),
    [
        (ConditionDropout(), True, True),
        (ConditionDropout(instruction=1.0), True, False),
        (ConditionDropout(source=1.0), False, True),
        (ConditionDropout(both=1.0), False, False),
    ],
)
def test_conditions_are_left_out_as_zeros(
    dropout: ConditionDropout, source_left: bool, instruction_left: bool
) -> None:
    predict, _ = watch(RFDM, dropout)
    _, source, _, _, code = predict.seen[0]

    assert bool(source.any()) is source_left
    assert bool(code.any()) is instruction_left


def test_shares_of_left_out_conditions_are_kept() -> None:
    dropout = ConditionDropout(instruction=0.1, source=0.2, both=0.3)
    source, instruction = dropout.kept(20_000, torch.Generator().manual_seed(0))

    assert (source == 0).float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert (instruction == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)
    assert ((source == 0) & (instruction == 0)).float().mean().item() == pytest.approx(0.3, abs=0.02)


def test_a_lost_memory_is_empty() -> None:
    predict, _ = watch(RFDM, ConditionDropout(memory=1.0))

    assert not any(seen[2].any() for seen in predict.seen)
