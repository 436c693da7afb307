import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from engines.backbones.regions import Defocus
from engines.training.crops import Footage
from engines.training.defocus import PLAN, train_defocus
from engines.training.parts import PartProgress


@pytest.mark.usefixtures("clock")
def test_it_is_learned_and_a_killed_run_goes_on(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(1, 2, 3, 8, 8, generator=generator).repeat_interleave(4, 3).repeat_interleave(4, 4)
    mattes = torch.zeros(1, 2, 1, 32, 32)
    mattes[..., :12] = 1
    batches = itertools.repeat(Footage(pictures, mattes, torch.ones(2, dtype=torch.bool)))
    seen: list[PartProgress] = []
    train_defocus(Defocus(), batches, replace(PLAN, minutes=0.1), tmp_path, 0, seen.append)
    first = seen[-1].step
    train_defocus(Defocus(), batches, replace(PLAN, minutes=0.2), tmp_path, 0, seen.append)

    assert [now.step for now in seen] == list(range(1, len(seen) + 1))
    assert first < seen[-1].step
    assert seen[-1].loss < 0.7 * seen[0].loss
