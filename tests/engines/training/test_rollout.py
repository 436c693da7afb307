import pytest
import torch
from torch import Tensor

from engines.flow import flow_levels
from engines.training.forcing import RFDM, Method
from engines.training.rollout import Delay, Forgetful, KeyFrames, MemoryRule, Sampler, edit_clips

SOURCES = torch.rand((7, 2, 48, 4, 4), generator=torch.Generator().manual_seed(0)) * 2 - 1
CODE = torch.ones(2, 3)


def keep_the_source(noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
    return source


class RememberedFrames:
    """Answers with the source and notes which frame the memory is, by its index."""

    def __init__(self) -> None:
        self.indices: list[int | None] = []

    def __call__(self, noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        same = [index for index, frame in enumerate(SOURCES) if torch.equal(frame, memory)]
        self.indices.append(same[0] if same else None)
        return source


@pytest.mark.parametrize(
    ("rule", "remembered"),
    [
        (Forgetful(), [None, None, None, None, None, None, None]),
        (KeyFrames(1), [None, 0, 1, 2, 3, 4, 5]),
        (KeyFrames(3), [None, 0, 0, 0, 3, 3, 3]),
        (KeyFrames(0), [None, 0, 0, 0, 0, 0, 0]),
        (Delay(1), [None, 0, 1, 2, 3, 4, 5]),
        (Delay(4), [None, 0, 0, 0, 0, 1, 2]),
    ],
)
def test_each_rule_remembers_its_frame(rule: MemoryRule, remembered: list[int | None]) -> None:
    predict = RememberedFrames()
    edit_clips(predict, SOURCES, CODE, RFDM, rule, Sampler(flow_levels(1)), seed=0)

    assert predict.indices == remembered


@pytest.mark.parametrize("between", ["ddim", "renoise", "renoise_zero_mean"])
def test_a_network_that_knows_the_answer_gives_it_whatever_the_sampler(between: str) -> None:
    sampler = Sampler(flow_levels(4), between=between)  # type: ignore[arg-type]

    assert torch.equal(edit_clips(keep_the_source, SOURCES, CODE, RFDM, KeyFrames(3), sampler, 0), SOURCES)


def second_level(between: str, method: Method = RFDM) -> tuple[Tensor, Tensor]:
    """What the second of two evaluations sees in the second frame, and the memory then."""
    seen: list[Tensor] = []

    def predict(noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        seen.append(noisy)
        return torch.zeros_like(source) + 0.8 * (len(seen) <= 2)

    still = torch.zeros(2, 16, 48, 8, 8)
    sampler = Sampler(flow_levels(2), between=between)  # type: ignore[arg-type]
    edit_clips(predict, still, torch.ones(16, 3), method, KeyFrames(1), sampler, seed=0)
    return seen[3], torch.full_like(still[0], 0.8)


@pytest.mark.parametrize(
    ("between", "share_of_the_memory"), [("ddim", 0.5), ("renoise", 0.5), ("renoise_zero_mean", 0)]
)
def test_what_follows_a_step_is_centred_on_the_memory(between: str, share_of_the_memory: float) -> None:
    """At sigma = 1/2 after predicting 0 the mean is sigma times the memory: full re-noise puts it back."""
    noisy, memory = second_level(between)

    assert noisy.mean().item() == pytest.approx(share_of_the_memory * memory.mean().item(), abs=0.01)
    assert noisy.std().item() == pytest.approx(0.5, abs=0.01)


def test_a_full_frame_network_is_centred_on_zero() -> None:
    assert second_level("renoise", Method(flow="full_frame"))[0].mean().item() == pytest.approx(0, abs=0.01)


def test_kept_noise_edits_a_still_clip_alike_in_every_frame() -> None:
    def noisy_answer(noisy: Tensor, source: Tensor, memory: Tensor, sigma: Tensor, code: Tensor) -> Tensor:
        return noisy / 4

    still = SOURCES[:1].expand(3, -1, -1, -1, -1)
    kept, new = (
        edit_clips(noisy_answer, still, CODE, RFDM, Forgetful(), Sampler(flow_levels(1), noise=noise), 0)
        for noise in ("kept", "new")
    )

    assert torch.equal(kept[0], kept[2])
    assert not torch.equal(new[0], new[2])
