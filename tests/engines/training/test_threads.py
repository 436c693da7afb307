import pytest
import torch

from engines.training.threads import threads


@pytest.mark.parametrize(("asked", "given"), [(2, 2), (1, 1), (0, 1), (-3, 1)])
def test_there_are_so_many_threads_and_then_as_many_as_before(asked: int, given: int) -> None:
    before = torch.get_num_threads()
    with threads(asked):
        assert torch.get_num_threads() == given
    assert torch.get_num_threads() == before
