import pytest
import torch

from engines import guidance

NOTHING, SOURCE, BOTH = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def test_scales_of_one_are_the_conditional_prediction() -> None:
    torch.testing.assert_close(guidance.three_branch(NOTHING, SOURCE, BOTH, 1.0, 1.0), BOTH)


def test_scales_of_zero_are_the_unconditional_prediction() -> None:
    assert torch.equal(guidance.three_branch(NOTHING, SOURCE, BOTH, 0.0, 0.0), NOTHING)


def test_the_instruction_scale_acts_on_the_instruction_alone() -> None:
    torch.testing.assert_close(
        guidance.three_branch(NOTHING, SOURCE, BOTH, 1.0, 3.0), SOURCE + 3 * (BOTH - SOURCE)
    )


def test_the_papers_scales_on_known_numbers() -> None:
    one = torch.ones(1, 1, 1, 1)
    guided = guidance.three_branch(0 * one, 1 * one, 3 * one, source_scale=3.5, instruction_scale=1.5)

    assert guided.item() == pytest.approx(0 + 3.5 * 1 + 1.5 * 2)


def test_predictions_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        guidance.three_branch(NOTHING, SOURCE, BOTH[:, :2], 1.0, 1.0)
