from functools import partial
from itertools import islice

import pytest
import torch

from engines.training.batches import batches_from, generator_at


def drawn_at(seed: int, step: int) -> tuple[int, torch.Tensor]:
    return step, torch.rand(3, generator=generator_at(seed, step))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_step_sees_the_same_whoever_draws_it_and_wherever_a_run_began(workers: int) -> None:
    seen = list(islice(batches_from(partial(drawn_at, 7), workers, 3), 5))

    assert [step for step, _ in seen] == [3, 4, 5, 6, 7]
    assert all(torch.equal(values, drawn_at(7, step)[1]) for step, values in seen)


def test_neither_two_steps_nor_two_seeds_see_the_same() -> None:
    first = drawn_at(7, 3)[1]

    assert not torch.equal(first, drawn_at(7, 4)[1])
    assert not torch.equal(first, drawn_at(3, 7)[1])
