"""Small backbones, trained for real on four clips."""

import signal
from collections.abc import Callable, Sequence
from itertools import repeat
from pathlib import Path

import pytest
import torch
from accelerate.state import PartialState
from diffusers import AutoencoderKL
from diffusers.training_utils import EMAModel
from torch import Tensor, nn

from engines.backbones.expansion import INPUTS
from engines.backbones.sd15 import UnetDenoiser, expand_unet
from engines.backbones.sd35 import TransformerDenoiser, expand_transformer
from engines.codecs import AutoencoderCodec
from engines.guidance import GuidanceScales
from engines.schedules import ShiftedFlow, VariancePreserving
from engines.training.backbone import BackboneSettings, BackboneTrainer, FrozenParts
from engines.training.backbone_forcing import Clips, FirstLevel, RandomLevels, clip_losses, truth
from engines.training.distillation import Teacher
from engines.training.forcing import ConditionDropout
from engines.training.loop import TrainingError
from engines.training.pairs import PairedCrop
from tests.engines.stock import kl, transformer, unet, vp_scheduler

TOKENS = 4
NO_DROPOUT = ConditionDropout()
Backbone = Callable[[], tuple[nn.Module, FrozenParts]]


def words(length: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {text: torch.randn(length, generator=generator) for text in ("", "invert", "mirror")}


def four_clips(size: int = 16) -> list[PairedCrop]:
    """Smooth moving pictures and their exact edits."""
    generator = torch.Generator().manual_seed(1)
    clips = []
    for index in range(4):
        coarse = torch.rand(1, 3, 4, 4, generator=generator)
        picture = nn.functional.interpolate(coarse, (size, size + 8), mode="bilinear")[0]
        source = torch.stack([picture[..., shift : shift + size] for shift in (0, 2, 4)])
        text = ("invert", "mirror")[index % 2]
        clips.append(PairedCrop(source, 1 - source if text == "invert" else source.flip(-1), text))
    return clips


def unit_codec(autoencoder: AutoencoderKL) -> AutoencoderCodec:
    """A random autoencoder whose latents of the clips have unit size, as a trained one's have."""
    codec = AutoencoderCodec(autoencoder.eval())
    with torch.no_grad():
        latents = codec.encode(torch.cat([clip.source for clip in four_clips()]) * 2 - 1)
    codec.scale /= float(latents.std())
    return codec


def sd15() -> tuple[nn.Module, FrozenParts]:
    torch.manual_seed(0)
    # One level: the clips' latents are two pixels wide.
    denoiser = UnetDenoiser(expand_unet(unet(widths=(32,))), TOKENS)
    schedule = VariancePreserving(vp_scheduler().alphas_cumprod)
    codes = words(denoiser.code_length)
    return denoiser, FrozenParts(unit_codec(kl()), codes.__getitem__, schedule, "epsilon")


def sd35() -> tuple[nn.Module, FrozenParts]:
    torch.manual_seed(0)
    # Wider than its patches of the noise, which it has to see through.
    denoiser = TransformerDenoiser(expand_transformer(transformer(4, 4, heads=8)), TOKENS)
    codes = words(denoiser.code_length)
    return denoiser, FrozenParts(
        unit_codec(kl(4, shift=0.0609)), codes.__getitem__, ShiftedFlow(3.0, 1000), "flow_velocity"
    )


def settings(**changed: object) -> BackboneSettings:
    values: dict[str, object] = {
        "steps": 2,
        "learning_rate": 3e-3,
        "warmup_steps": 10,
        "mixed_precision": "no",
        "dropout": NO_DROPOUT,
    }
    return BackboneSettings(**{**values, **changed})  # type: ignore[arg-type]


def measured(trainer: BackboneTrainer, clips: list[PairedCrop]) -> float:
    """The mean loss over the same levels and noise, whenever it is asked for."""
    encoded = trainer.encode(clips)
    trainer.denoiser.eval()
    with torch.no_grad():
        losses = [
            loss for seed in range(8) for loss in trainer.losses(encoded, torch.Generator().manual_seed(seed))
        ]
    return float(torch.stack(losses).mean())


def first_convolution(denoiser: nn.Module) -> Tensor:
    """The largest weight of each of [noisy, source, memory]."""
    (name,) = (
        name for name in denoiser.state_dict() if name.endswith(("conv_in.weight", "pos_embed.proj.weight"))
    )
    parts = denoiser.state_dict()[name].chunk(len(INPUTS), 1)
    return torch.stack([part.abs().max() for part in parts])


@pytest.mark.parametrize(("backbone", "rate", "steps"), [(sd15, 1e-2, 80), (sd35, 4e-3, 80)])
def test_four_clips_are_overfitted_until_the_loss_is_a_tenth(
    tmp_path: Path, backbone: Backbone, rate: float, steps: int
) -> None:
    denoiser, frozen = backbone()
    trainer = BackboneTrainer(denoiser, frozen, settings(steps=steps, learning_rate=rate), tmp_path)
    clips = four_clips()
    before = measured(trainer, clips)
    trainer.fit(repeat(clips), lambda step, loss: None)

    assert measured(trainer, clips) < before / 10
    assert (first_convolution(denoiser) > 0).all()


def test_a_run_resumed_after_ctrl_c_is_the_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = four_clips()
    runs = {}

    def pressed_in_a_step(trainer: BackboneTrainer, batch: Sequence[PairedCrop]) -> float:
        signal.raise_signal(signal.SIGINT)
        return train_step(trainer, batch)

    train_step = BackboneTrainer.train_step
    for name, interrupted in (("whole", False), ("broken", True)):
        if interrupted:
            stopped = BackboneTrainer(*sd35(), settings(), tmp_path / name)
            with monkeypatch.context() as patched:
                patched.setattr(BackboneTrainer, "train_step", pressed_in_a_step)
                with pytest.raises(KeyboardInterrupt):
                    stopped.fit(repeat(clips), lambda *_: None)
        denoiser, frozen = sd35()
        trainer = BackboneTrainer(denoiser, frozen, settings(), tmp_path / name)
        assert trainer.step == int(interrupted)
        trainer.fit(repeat(clips), lambda *_: None)
        runs[name] = denoiser.state_dict(), trainer.average.state_dict()["shadow_params"]

    assert trainer.step == 2
    for name, value in runs["whole"][0].items():
        torch.testing.assert_close(runs["broken"][0][name], value)
    for one, other in zip(runs["whole"][1], runs["broken"][1], strict=True):
        torch.testing.assert_close(one, other)


def test_the_average_is_on_the_device_again_after_a_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint is read into main memory, and a GPU's weights cannot be averaged with that."""
    BackboneTrainer(*sd35(), settings(), tmp_path).save()
    told: list[str] = []
    for name in ("load_state_dict", "to"):
        called = getattr(EMAModel, name)

        def noted(*given: object, name: str = name, called: Callable[..., object] = called) -> object:
            told.append(name)
            return called(*given)

        monkeypatch.setattr(EMAModel, name, noted)
    BackboneTrainer(*sd35(), settings(), tmp_path)

    assert told == ["to", "load_state_dict", "to"]


def test_a_warm_up_is_as_long_on_several_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = BackboneTrainer(*sd35(), settings(), tmp_path)
    monkeypatch.setitem(PartialState._shared_state, "num_processes", 4)
    trainer.train_step(four_clips())

    assert trainer.schedule.get_last_lr() == [pytest.approx(3e-3 * 2 / 10)]


def test_a_checkpoint_of_another_network_is_one_line(tmp_path: Path) -> None:
    BackboneTrainer(*sd35(), settings(), tmp_path).save()

    with pytest.raises(TrainingError, match="does not fit this run") as raised:
        BackboneTrainer(*sd15(), settings(), tmp_path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("backbone", [sd15, sd35])
def test_adapters_train_little_and_are_merged(tmp_path: Path, backbone: Backbone) -> None:
    denoiser, frozen = backbone()
    before = {name: value.clone() for name, value in denoiser.state_dict().items()}
    trainer = BackboneTrainer(denoiser, frozen, settings(lora_rank=2), tmp_path)
    trained = sum(weight.numel() for weight in trainer.trainable)
    for _ in range(3):
        trainer.train_step(four_clips())
    network = trainer.averaged_network()
    prefix = "unet." if hasattr(denoiser, "unet") else "transformer."
    changed = [
        name for name, value in network.state_dict().items() if not torch.equal(value, before[prefix + name])
    ]

    assert trained < 0.2 * sum(weight.numel() for weight in before.values())
    assert set(network.state_dict()) == {name.removeprefix(prefix) for name in before}
    assert any("to_q" in name for name in changed)
    assert all("attn" in name or name.startswith(("conv_in", "pos_embed.proj")) for name in changed)


def test_a_student_learns_what_its_teacher_samples(tmp_path: Path) -> None:
    """Guidance and steps at once: what is learned is the teacher's answer, not the target on disk."""
    denoiser, frozen = sd35()
    silence = frozen.embed("")
    taught: list[tuple[Tensor, Tensor]] = []
    teacher = Teacher(
        sd35()[0].requires_grad_(False).eval(),
        frozen.schedule,
        frozen.prediction,
        2,
        GuidanceScales(1.5, 2.0),
        silence,
    )

    def teach(*latents: Tensor) -> Tensor:
        answer = teacher(*latents)
        taught.append((latents[0], answer))
        return answer

    trainer = BackboneTrainer(denoiser, frozen, settings(), tmp_path, FirstLevel(frozen.schedule), teach)
    trainer.train_step(four_clips())

    assert len(taught) == 3
    assert not any(torch.allclose(target, answer) for target, answer in taught)
    assert not any(answer.requires_grad for _, answer in taught)


def test_frames_are_trained_on_the_prediction_before_them() -> None:
    """Each frame's memory is the network's own answer to the last, without its gradient."""
    seen: list[Tensor] = []
    answers: list[Tensor] = []

    def predict(noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor) -> Tensor:
        seen.append(memory)
        answers.append((noisy * 0.5).requires_grad_())
        return answers[-1]

    generator = torch.Generator().manual_seed(0)
    sources, targets = torch.randn(2, 3, 2, 4, 2, 2, generator=generator)
    clips = Clips(sources, targets, torch.ones(2, 5), torch.zeros(5))
    draw = RandomLevels(ShiftedFlow(1.0, 1000))
    list(clip_losses(predict, clips, draw, truth, "sample", NO_DROPOUT, "clean", generator))

    assert not seen[0].any()
    assert torch.equal(seen[1], answers[0])
    assert torch.equal(seen[2], answers[1])
    assert not any(memory.requires_grad for memory in seen)


def test_left_out_conditions_are_zeros_and_silence() -> None:
    given: list[tuple[Tensor, Tensor, Tensor]] = []

    def predict(noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor) -> Tensor:
        given.append((source, memory, code))
        return noisy

    generator = torch.Generator().manual_seed(0)
    sources = torch.ones(2, 64, 4, 2, 2)
    clips = Clips(sources, sources, torch.ones(64, 5), torch.full((5,), -1.0))
    dropout = ConditionDropout(instruction=0.25, source=0.25, both=0.25, memory=0.5)
    draw = RandomLevels(ShiftedFlow(1.0, 1000))
    list(clip_losses(predict, clips, draw, truth, "sample", dropout, "velocity", generator))

    source, memory, code = given[1]
    without_source, without_text = ~source.flatten(1).any(1), (code == -1).all(1)
    assert torch.equal(source, given[0][0])
    for left_out in (
        without_source & ~without_text,
        without_text & ~without_source,
        without_source & without_text,
    ):
        assert 4 < int(left_out.sum()) < 32
    assert 16 < int((~memory.flatten(1).any(1)).sum()) < 48
