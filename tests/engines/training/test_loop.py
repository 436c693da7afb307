from pathlib import Path

import pytest
import torch

from engines.backbones.tiny import TinyConfig
from engines.families import FAMILIES
from engines.training import loop
from engines.training.loop import Trainer, TrainingError, TrainSettings, draw_task, repeat_batches

SMALL = TinyConfig(widths=(16, 16, 16), blocks=(1, 1, 1), condition_width=16, detail_width=8)
CPU = torch.device("cpu")


def batch() -> torch.Tensor:
    return torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def trainer(run: Path, **settings: float) -> Trainer:
    return Trainer(SMALL, TrainSettings(**{"minutes": 1.0, "warmup_steps": 1, **settings}), CPU, run)  # type: ignore[arg-type]


def test_the_loss_falls_on_a_clip_seen_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One task only, so that the fall is the network's and not the draw's."""
    task = draw_task(2, torch.Generator().manual_seed(1))
    monkeypatch.setattr(loop, "draw_task", lambda batch, generator: task)
    subject = trainer(tmp_path, learning_rate=3e-3)
    losses = [subject.train_step(batch()) for _ in range(120)]

    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_a_killed_run_resumes_where_its_checkpoint_was(tmp_path: Path) -> None:
    first = trainer(tmp_path)
    for _ in range(3):
        first.train_step(batch())
    first.save()
    second = trainer(tmp_path)

    assert second.step == 3
    assert all(
        torch.equal(a, b) for a, b in zip(first.averaged.values(), second.averaged.values(), strict=True)
    )
    assert first.train_step(batch()) == pytest.approx(second.train_step(batch()))


def test_a_checkpoint_of_another_shape_is_refused_with_both_named(tmp_path: Path) -> None:
    trainer(tmp_path).save()
    other = TinyConfig(widths=(16, 16, 32), blocks=(1, 1, 1), condition_width=16, detail_width=8)

    with pytest.raises(TrainingError, match=r"16, 16, 16.*16, 16, 32"):
        Trainer(other, TrainSettings(), CPU, tmp_path)


def test_a_checkpoint_of_another_version_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(tmp_path).save()
    monkeypatch.setattr(loop, "CHECKPOINT_VERSION", 99)

    with pytest.raises(TrainingError, match=r"version 1.*99"):
        trainer(tmp_path)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    subject = trainer(tmp_path)
    subject.train_step(batch())
    subject.save()
    kept = (tmp_path / "checkpoint.pt").read_bytes()

    with pytest.raises(TrainingError, match=r"nan at step 2.*checkpoint\.pt"):
        subject.fit(repeat_batches([batch() * float("nan")]), lambda trainer, loss: None)
    assert (tmp_path / "checkpoint.pt").read_bytes() == kept


def test_the_learning_rate_rises_stays_and_falls(tmp_path: Path) -> None:
    subject = trainer(tmp_path, warmup_steps=10)
    rates = []
    for step, elapsed_s in ((0, 0.0), (9, 10.0), (100, 42.0), (200, 51.0), (300, 60.0)):
        subject.step, subject.elapsed_s = step, elapsed_s
        rates.append(subject.schedule())

    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.505, 0.01])


def test_only_a_tint_has_a_colour() -> None:
    task = draw_task(500, torch.Generator().manual_seed(0))
    tints = task.families == FAMILIES.index("tint")

    assert bool((task.rgb[tints].amax((1, 2, 3)) > 0).all())
    assert bool((task.rgb[~tints] == 0).all())
    assert 0 <= float(task.rgb.min()) <= float(task.rgb.max()) <= 1
    assert 0.4 <= float(task.amount.min()) <= float(task.amount.max()) <= 1.6


def test_a_code_names_its_family_even_when_loose() -> None:
    task = draw_task(50, torch.Generator().manual_seed(0))
    code = task.code(torch.full((50,), 0.1))

    assert torch.equal(code[:, : len(FAMILIES)].argmax(1), task.families)
    torch.testing.assert_close(code[:, : len(FAMILIES)].sum(1), torch.ones(50))
