"""Trains a large backbone: accelerate for devices and precision, peft for LoRA, diffusers for the average.

The run folder holds ``checkpoint/`` to resume from and TensorBoard events. Nothing here reads a media file.
"""

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from engines.codecs import AutoencoderCodec
from engines.interrupts import deferred_interrupts
from engines.prediction import PredictionType
from engines.schedules import Schedule
from engines.training.adapters import with_adapters
from engines.training.backbone_forcing import (
    PAPER_DROPOUT,
    Clips,
    DrawLevels,
    LossName,
    RandomLevels,
    Teach,
    clip_losses,
    truth,
)
from engines.training.backbone_run import (
    CHECKPOINT,
    check_disk,
    kept_checkpoint,
    put_in_place,
    told_in_one_line,
)
from engines.training.forcing import ConditionDropout
from engines.training.loop import TrainingError
from engines.training.pairs import PairedCrop

_LOSS_EVERY = 10


@dataclass(frozen=True)
class BackboneSettings:
    """What a run is made of.

    Attributes:
        steps: Optimiser steps over all resumed parts together.
        learning_rate: AdamW's, after a linear warm-up.
        warmup_steps: Its length.
        ema_decay: Of the averaged weights that are written.
        loss: See :func:`engines.training.backbone_forcing.clip_losses`.
        dropout: Which conditions are left out how often.
        lora_rank: Of the adapters on the attention layers; 0 trains every weight.
        checkpoint_every: Steps between checkpoints.
        mixed_precision: "bf16" where the device multiplies it, or "no".
        seed: Of everything random.
    """

    steps: int
    learning_rate: float = 1e-4
    warmup_steps: int = 500
    ema_decay: float = 0.9999
    loss: LossName = "clean"
    dropout: ConditionDropout = PAPER_DROPOUT
    lora_rank: int = 0
    checkpoint_every: int = 500
    mixed_precision: str = "bf16"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class FrozenParts:
    """What training uses and leaves as it is.

    Attributes:
        codec: Pixels to latents.
        embed: Text to its code, (D,).
        schedule: The checkpoint's noise levels.
        prediction: What the network predicts.
    """

    codec: AutoencoderCodec
    embed: Callable[[str], Tensor]
    schedule: Schedule
    prediction: PredictionType


class _Progress:
    """How far a run is: what accelerate keeps beside weights and optimiser."""

    def __init__(self) -> None:
        self.step = 0

    def state_dict(self) -> dict[str, int]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.step = state["step"]


class BackboneTrainer:
    """Trains one denoiser; holds what a checkpoint holds.

    Args:
        denoiser: With all of [noisy, source, memory] on its input.
        frozen: What it is trained with.
        settings: Of the run.
        run: The run folder; a checkpoint in it is resumed.
        draw: Noise levels, all of the schedule's where None.
        teach: The true targets, or a teacher's.

    Raises:
        TrainingError: The checkpoint belongs to another network, or a next one does not fit on the disk.
    """

    def __init__(
        self,
        denoiser: nn.Module,
        frozen: FrozenParts,
        settings: BackboneSettings,
        run: Path,
        draw: DrawLevels | None = None,
        teach: Teach = truth,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.run, self.frozen = settings, run, frozen
        self._draw, self._teach = draw or RandomLevels(frozen.schedule), teach
        self.accelerator = Accelerator(mixed_precision=settings.mixed_precision)
        self._name = "unet" if hasattr(denoiser, "unet") else "transformer"
        network: Any = getattr(denoiser, self._name)
        if hasattr(network, "enable_gradient_checkpointing"):
            network.enable_gradient_checkpointing()
        if settings.lora_rank:
            setattr(denoiser, self._name, with_adapters(network, settings.lora_rank))
        self.trainable = [weight for weight in denoiser.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(self.trainable, lr=settings.learning_rate, fused=True)
        # Not prepared by accelerate, which would take a step of it for every process at each step.
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / max(1, settings.warmup_steps))
        )
        self.denoiser, self.optimizer = self.accelerator.prepare(denoiser, optimizer)
        frozen.codec.to(self.accelerator.device).requires_grad_(False)
        self._silence = frozen.embed("").to(self.accelerator.device).float()
        self.average = EMAModel(self.trainable, decay=settings.ema_decay, use_ema_warmup=True)
        self.average.to(self.accelerator.device)
        self.progress = _Progress()
        self.accelerator.register_for_checkpointing(self.average, self.progress, self.schedule)
        run.mkdir(parents=True, exist_ok=True)
        if self.accelerator.is_main_process:
            kept_checkpoint(run)
            weights = sum(weight.nbytes for weight in denoiser.parameters())
            check_disk(run, weights, sum(weight.numel() for weight in self.trainable))
        self.accelerator.wait_for_everyone()
        if (run / CHECKPOINT).is_dir():
            self._resume()
        self._saved = self.step

    @property
    def step(self) -> int:
        """Optimiser steps taken so far."""
        return self.progress.step

    def fit(self, batches: Iterator[Sequence[PairedCrop]], progress: Callable[[int, float], None]) -> None:
        """Train up to the settings' steps.

        Args:
            batches: Of crops, each of K frames.
            progress: Called after each step with its number and loss.

        Raises:
            TrainingError: The loss is no number; the last checkpoint stays.
            KeyboardInterrupt: Ctrl-C was pressed; one process alone has ended its step and saved it.
        """
        writer, untold = None, deque[float](maxlen=_LOSS_EVERY)
        if self.accelerator.is_main_process:
            writer = SummaryWriter(str(self.run), purge_step=self.step)
        try:
            while self.step < self.settings.steps:
                batch = next(batches)
                with deferred_interrupts() as interrupted:
                    loss = self.train_step(batch)
                if not math.isfinite(loss):
                    raise TrainingError(
                        f"the loss became {loss} at step {self.step}; the last checkpoint stays"
                    )
                untold.append(loss)
                if writer is not None and self.step % _LOSS_EVERY == 0:
                    writer.add_scalar("loss", fmean(untold), self.step)
                    writer.add_scalar("learning_rate", self.schedule.get_last_lr()[0], self.step)
                    untold.clear()
                if self.step % self.settings.checkpoint_every == 0:
                    self.save()
                progress(self.step, loss)
                if interrupted.is_set():
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            # Of several processes each would save after a step of its own, and wait for the others.
            if self.accelerator.num_processes == 1:
                self.save()
            raise
        finally:
            if writer is not None:
                writer.close()
        self.save()

    def train_step(self, batch: Sequence[PairedCrop]) -> float:
        """One optimiser step on a batch of clips; returns the mean loss of their frames."""
        clips = self.encode(batch)
        frames = len(clips.sources)
        self.denoiser.train()
        total = 0.0
        losses = iter(self.losses(clips, self._generator()))
        for index in range(frames):
            # Gradients of all frames are exchanged between processes once, with the last one's.
            waiting = self.accelerator.no_sync(self.denoiser) if index + 1 < frames else nullcontext()
            with waiting:
                loss = next(losses)
                self.accelerator.backward(loss / frames)
            total += float(loss.detach()) / frames
        self.accelerator.clip_grad_norm_(self.trainable, 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.step(self.trainable)
        self.progress.step += 1
        return total

    def losses(self, clips: Clips, generator: torch.Generator) -> Iterator[Tensor]:
        """The loss of each frame of a batch, in order."""
        return clip_losses(
            self._predict,
            clips,
            self._draw,
            self._teach,
            self.frozen.prediction,
            self.settings.dropout,
            self.settings.loss,
            generator,
        )

    def _generator(self) -> torch.Generator:
        """Of this step and this process alone, so that a resumed run draws what an uninterrupted one would."""
        process = self.accelerator.process_index
        return torch.Generator().manual_seed((self.settings.seed * 1_000_003 + self.step) * 1024 + process)

    def _predict(
        self, noisy: Tensor, source: Tensor, memory: Tensor, timestep: Tensor, code: Tensor
    ) -> Tensor:
        with self.accelerator.autocast():
            predicted: Tensor = self.denoiser(noisy, source, memory, timestep, code)
        return predicted

    @torch.no_grad()
    def encode(self, batch: Sequence[PairedCrop]) -> Clips:
        """Crops to latents and codes, on the device."""
        device = self.accelerator.device

        def latents(crops: Tensor) -> Tensor:
            frames, count = crops.shape[:2]
            dtype = next(self.frozen.codec.parameters()).dtype
            pixels = (crops.flatten(0, 1) * 2 - 1).to(device, dtype)
            encoded = self.frozen.codec.encode(pixels).float()
            return encoded.reshape(frames, count, *encoded.shape[1:])

        return Clips(
            latents(torch.stack([crop.source for crop in batch], 1)),
            latents(torch.stack([crop.target for crop in batch], 1)),
            torch.stack([self.frozen.embed(crop.instruction) for crop in batch]).to(device).float(),
            self._silence,
        )

    def save(self) -> None:
        """Write the checkpoint beside the last one and put it in its place, unless it is of this step.

        Raises:
            TrainingError: It cannot be written; the last one stays.
        """
        if self._saved == self.step and (self.run / CHECKPOINT).is_dir():
            return
        with told_in_one_line(self.run, self.step):
            self.accelerator.save_state(str(self.run / f"{CHECKPOINT}.new"))
            self.accelerator.wait_for_everyone()
            if self.accelerator.is_main_process:
                put_in_place(self.run)
            self.accelerator.wait_for_everyone()
        self._saved = self.step

    def _resume(self) -> None:
        try:
            self.accelerator.load_state(str(self.run / CHECKPOINT))
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            reason = " ".join(str(error).split())[:200]
            raise TrainingError(f"{self.run / CHECKPOINT} does not fit this run: {reason}") from error
        # It is read into main memory.
        self.average.to(self.accelerator.device)

    def averaged_network(self) -> Any:  # noqa: ANN401  # either of diffusers' two classes
        """The network with the averaged weights, adapters merged; the trainer is of no more use afterwards."""
        bare = self.accelerator.unwrap_model(self.denoiser)
        self.average.copy_to(self.trainable)
        network = getattr(bare, self._name)
        return network.merge_and_unload() if self.settings.lora_rank else network
