from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import torch

from engines.backbones.tiny import TinyConfig
from engines.backbones.tiny_folder import plain_weights, save_denoiser
from engines.training import loop
from engines.training.crops import Footage
from engines.training.loop import Trainer, TrainingError, TrainSettings
from engines.training.tasks import draw_task

SHAPE: dict[str, Any] = {
    "blocks": (1, 1, 1),
    "condition_width": 16,
    "detail_width": 8,
    "context_width": 16,
    "context_blocks": 1,
}
SMALL = TinyConfig(widths=(16, 16, 16), field_width=16, eraser_widths=(16, 16, 16), **SHAPE)
CPU = torch.device("cpu")


def batch() -> Footage:
    return Footage.without_mattes(torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))


def batch_of_people() -> Footage:
    pictures = batch().pictures
    return Footage(pictures, (pictures[:, :, :1] > 0.5).float(), torch.ones(2, dtype=torch.bool))


def trainer(run: Path, **settings: Any) -> Trainer:  # noqa: ANN401 - of TrainSettings
    return Trainer(SMALL, TrainSettings(**{"steps": 200, "warmup_steps": 1, **settings}), CPU, run)


def test_the_loss_falls_on_a_clip_seen_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One task only, so that the fall is the network's and not the draw's."""
    task = draw_task(batch(), torch.Generator().manual_seed(1))
    monkeypatch.setattr(loop, "draw_task", lambda footage, generator: task)
    subject = trainer(tmp_path, learning_rate=3e-3)
    losses = [subject.train_step(batch()) for _ in range(40)]

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
    other = TinyConfig(widths=(16, 16, 32), field_width=16, eraser_widths=(16, 16, 16), **SHAPE)

    with pytest.raises(TrainingError, match=r"16, 16, 16.*16, 16, 32"):
        Trainer(other, TrainSettings(), CPU, tmp_path)


def test_a_checkpoint_of_another_version_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer(tmp_path).save()
    monkeypatch.setattr(loop, "CHECKPOINT_VERSION", 99)

    with pytest.raises(TrainingError, match=r"version 4.*99"):
        trainer(tmp_path)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    subject = trainer(tmp_path)
    subject.train_step(batch())
    subject.save()
    kept = (tmp_path / "checkpoint.pt").read_bytes()
    lost = Footage.without_mattes(batch().pictures * float("nan"))

    with pytest.raises(TrainingError, match=r"nan at step 2.*checkpoint\.pt"):
        subject.fit(repeat(lost), lambda trainer, loss: None)
    assert (tmp_path / "checkpoint.pt").read_bytes() == kept


def test_the_learning_rate_rises_stays_and_falls(tmp_path: Path) -> None:
    subject = trainer(tmp_path, warmup_steps=10)
    rates = []
    for subject.step in (0, 9, 140, 170, 200):
        rates.append(subject.schedule())

    assert rates == pytest.approx([0.1, 1.0, 1.0, 0.505, 0.01])


def test_people_are_trained_on_with_their_mattes(tmp_path: Path) -> None:
    subject = trainer(tmp_path)

    assert subject.train_step(batch_of_people()) > 0
    assert any(name.startswith("background") or name == "joined" for name in subject.family_psnr)


@pytest.mark.parametrize("part", ["figure", "field", "eraser"])
def test_a_part_that_was_trained_before_stands_still(tmp_path: Path, part: str) -> None:
    subject = trainer(tmp_path)
    weights = {
        name: torch.randn_like(value)
        for name, value in subject.denoiser.get_submodule(part).state_dict().items()
    }
    subject.take_part(part, weights)

    for _ in range(12):
        subject.train_step(batch_of_people())

    kept = subject.denoiser.get_submodule(part).state_dict()
    assert all(torch.equal(kept[name], weights[name]) for name in weights)
    assert all(torch.allclose(subject.averaged[f"{part}.{name}"], weights[name]) for name in weights)


def test_a_run_can_start_from_a_trained_model(tmp_path: Path) -> None:
    first = trainer(tmp_path / "first")
    first.train_step(batch())
    save_denoiser(
        first.denoiser, plain_weights(first.denoiser, first.denoiser.state_dict()), tmp_path / "model"
    )

    second = Trainer(SMALL, TrainSettings(), CPU, tmp_path / "second", tmp_path / "model")

    torch.testing.assert_close(
        second.denoiser.bypass.weight, first.denoiser.bypass.weight, atol=1e-3, rtol=1e-2
    )
