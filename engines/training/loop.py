"""The training loop of RFDM: ordered frames, self-prediction, one squared error for each frame.

Every clip starts without a memory. Each frame draws its own noise level, one evaluation predicts the clean latent,
and that prediction, detached, is the next frame's memory: what the paper calls diffusion forcing. The loop knows
nothing of files but its own run folder: ``checkpoint.pt`` to resume from, TensorBoard events and sample sheets.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from engines import flow
from engines.backbones.branches import BranchingDenoiser, row_branch
from engines.backbones.tiny import NormalisedConv2d, TinyConfig, TinyDenoiser
from engines.codecs import PatchCodec
from engines.conditioning import CODE_LENGTH
from engines.training.crops import Footage
from engines.training.optimisers import Optimisers
from engines.training.tasks import Task, draw_task
from engines.training.warm_start import warm_start

CHECKPOINT_VERSION = 4
_PARTS = ("figure", "field", "eraser", "hue", "defocus")
_AVERAGE_EVERY = 4


def parts_of(denoiser: TinyDenoiser) -> tuple[str, ...]:
    """Names of its parts that are trained before the rest and each on data of its own: mattes, noise, composites."""
    return tuple(name for name in _PARTS if getattr(denoiser, name) is not None)


class TrainingError(RuntimeError):
    """Training cannot start or go on; the message is one line for the person who runs it."""


@dataclass(frozen=True)
class TrainSettings:
    """What a run is made of.

    Attributes:
        steps: Optimiser steps over all resumed parts together.
        filter_rate: Muon's peak, for normalised filters.
        learning_rate: AdamW's peak, for all else.
        warmup_steps: Steps over which the rate rises from 0.
        fall_share: Share of the steps, the last, over which the rate falls to nothing.
        stills_share: Share of the steps, the first, that see one frame of each clip: what an edit looks like is most
            of what there is to learn, and a step of three frames takes more than twice the time.
        ema_decay: Of the averaged weights that are shipped.
        memory_dropout: Share of clips whose memory is lost on the way, as after a scene cut.
        memory_swap: Share of clips that are handed another clip's memory, so that a wrong one is not believed.
        first_level_share: Share of frames at sigma = 1, where the live path's single evaluation works.
        checkpoint_every_s: Seconds between checkpoints.
        seed: Of everything random.
    """

    steps: int = 13_000
    filter_rate: float = 0.06
    learning_rate: float = 1e-3
    warmup_steps: int = 200
    fall_share: float = 0.3
    stills_share: float = 0.7
    ema_decay: float = 0.998
    memory_dropout: float = 0.1
    memory_swap: float = 0.05
    first_level_share: float = 0.7
    checkpoint_every_s: float = 60.0
    seed: int = 0


class Trainer:
    """Trains one denoiser; holds what a checkpoint holds."""

    def __init__(
        self,
        config: TinyConfig,
        settings: TrainSettings,
        device: torch.device,
        run: Path,
        start: Path | None = None,
    ) -> None:
        if config.code_length != CODE_LENGTH:
            raise TrainingError(
                f"the network takes codes of {config.code_length}, the families need {CODE_LENGTH}"
            )
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.run = settings, device, run
        self.denoiser = TinyDenoiser(config, NormalisedConv2d).to(device)
        if start is not None:
            warm_start(self.denoiser, start)
        for part in parts_of(self.denoiser):
            self.denoiser.get_submodule(part).requires_grad_(False)
        self.denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
        # Most edits ask for none of the parts that stand still.
        self._predict = BranchingDenoiser(self.denoiser, row_branch)
        self.averaged = {name: value.clone() for name, value in self.denoiser.state_dict().items()}
        self._optimisers = Optimisers(self.denoiser, settings.filter_rate, settings.learning_rate)
        self.codec = PatchCodec(2)
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.step, self.elapsed_s = 0, 0.0
        self.family_psnr: dict[str, float] = {}
        try:
            run.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{run} cannot be made: {error.strerror}") from error
        if (run / "checkpoint.pt").exists():
            self._resume(run / "checkpoint.pt")

    def fit(self, batches: Iterator[Footage], progress: Callable[["Trainer", float], None]) -> None:
        """Train until all steps are made.

        Args:
            batches: Footage without end, from the step on where this trainer is.
            progress: Called after each step with the loss.

        Raises:
            TrainingError: The loss is no number; the last good checkpoint stays.
        """
        writer = SummaryWriter(str(self.run), purge_step=self.step)
        saved = last = time.monotonic()
        while self.step < self.settings.steps:
            loss = self.train_step(next(batches))
            now = time.monotonic()
            self.elapsed_s += now - last
            last = now
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss became {loss} at step {self.step}; {self.run / 'checkpoint.pt'} is the last good one"
                )
            if self.step % 20 == 0:
                writer.add_scalar("loss", loss, self.step)
                writer.add_scalar("schedule", self.schedule(), self.step)
                for name, value in self.family_psnr.items():
                    writer.add_scalar(f"psnr_db/{name}", value, self.step)
            if now - saved > self.settings.checkpoint_every_s:
                self.save()
                saved = now
            progress(self, loss)
        self.save()
        writer.close()

    def take_part(self, name: str, weights: Mapping[str, Tensor]) -> None:
        """Put one of :func:`parts_of` the network in its place."""
        self.denoiser.get_submodule(name).load_state_dict(weights)
        self.averaged |= {f"{name}.{key}": value.clone() for key, value in weights.items()}

    def schedule(self) -> float:
        """Share of the learning rates: warm-up, a plateau, and a linear fall."""
        left = 1 - self.step / self.settings.steps
        fall = min(1.0, max(0.0, left / self.settings.fall_share))
        rise = min(1.0, (self.step + 1) / self.settings.warmup_steps)
        return rise * (0.01 + 0.99 * fall)

    def train_step(self, footage: Footage) -> float:
        """One optimiser step on the K ordered frames of a batch; returns the mean loss."""
        frames, batch = footage.pictures.shape[:2]
        task = draw_task(footage, self.generator)
        looseness = 0.1 * torch.rand(batch, generator=self.generator) * self._chance(batch, 0.5)
        code = task.code(looseness).to(self.device)
        memory: Tensor | None = None
        total = 0.0
        self.denoiser.train()
        for index, (pictures, mattes) in enumerate(zip(footage.pictures, footage.mattes, strict=True)):
            sources = task.sources(pictures, index * footage.lag).to(self.device)
            x = self.codec.encode(sources * 2 - 1)
            eps = torch.randn(x.shape, generator=self.generator).to(self.device)
            whole, people = pictures.to(self.device), mattes.clamp(min=0).to(self.device)
            targets = task.targets(whole, sources, people, self.codec.decode(eps))
            y = self.codec.encode(targets * 2 - 1)
            y_hat = torch.zeros_like(y) if memory is None else self._disturb(memory)
            loss, memory, errors = self._frame_loss(x, y, y_hat, eps, code)
            torch.autograd.backward(loss / frames)
            total += float(loss.detach()) / frames
            self._note(task, errors)
        torch.nn.utils.clip_grad_norm_(self.denoiser.parameters(), 1.0)
        self._optimisers.step(self.schedule())
        self.step += 1
        if self.step % _AVERAGE_EVERY == 0:
            self._average()
        return total

    def _frame_loss(
        self, x: Tensor, y: Tensor, y_hat: Tensor, eps: Tensor, code: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch = len(x)
        sigma = torch.where(
            self._chance(batch, self.settings.first_level_share) > 0,
            1.0,
            torch.rand(batch, generator=self.generator),
        ).to(self.device)
        level = sigma.view(-1, 1, 1, 1)
        y_s = flow.forward(y, y_hat, eps, 1 - level, level)
        inputs = [value.to(memory_format=torch.channels_last) for value in (y_s, x, y_hat)]
        with torch.autocast(self.device.type, torch.bfloat16):
            predicted = self._predict(*inputs, sigma, code)
        errors = ((predicted.float() - y) / 2).square().mean((1, 2, 3))
        # The root gives every family the same pull; the plain square would leave the easy ones to the hard ones.
        return (errors + 1e-6).sqrt().mean(), predicted.detach().float().clamp(-1, 1), errors.detach()

    def _disturb(self, memory: Tensor) -> Tensor:
        batch = len(memory)
        lost = self._chance(batch, self.settings.memory_dropout).view(-1, 1, 1, 1).to(self.device)
        swapped = self._chance(batch, self.settings.memory_swap).view(-1, 1, 1, 1).to(self.device)
        return torch.where(swapped > 0, memory.roll(1, 0), memory) * (1 - lost)

    def _chance(self, batch: int, share: float) -> Tensor:
        return (torch.rand(batch, generator=self.generator) < share).float()

    def _note(self, task: Task, errors: Tensor) -> None:
        for clip, error in enumerate(errors.tolist()):
            names, psnr = task.names(clip), -10 * math.log10(error + 1e-10)
            name = names[0] if len(names) == 1 else "joined"
            self.family_psnr[name] = 0.98 * self.family_psnr.get(name, psnr) + 0.02 * psnr

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.settings.ema_decay, (1 + self.step) / (10 + self.step)) ** _AVERAGE_EVERY
        for name, value in self.denoiser.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)

    def save(self) -> None:
        """Write the checkpoint beside the last one and put it in its place."""
        state = {
            "version": CHECKPOINT_VERSION,
            "config": self.denoiser.config,
            "denoiser": self.denoiser.state_dict(),
            "averaged": self.averaged,
            "optimizers": self._optimisers.state(),
            "generator": self.generator.get_state(),
            "step": self.step,
            "elapsed_s": self.elapsed_s,
            "family_psnr": self.family_psnr,
        }
        torch.save(state, self.run / "checkpoint.pt.new")
        (self.run / "checkpoint.pt.new").replace(self.run / "checkpoint.pt")

    def _resume(self, path: Path) -> None:
        with torch.serialization.safe_globals([TinyConfig]):
            state = torch.load(path, map_location=self.device, weights_only=True)
        if state["version"] != CHECKPOINT_VERSION:
            raise TrainingError(
                f"{path} is of version {state['version']}, this code reads {CHECKPOINT_VERSION}"
            )
        if state["config"] != self.denoiser.config:
            raise TrainingError(f"{path} holds {state['config']}, asked for is {self.denoiser.config}")
        self.denoiser.load_state_dict(state["denoiser"])
        self.averaged = state["averaged"]
        self._optimisers.load(state["optimizers"], state["step"])
        self.generator.set_state(state["generator"].cpu())
        self.step, self.elapsed_s = state["step"], state["elapsed_s"]
        self.family_psnr = state["family_psnr"]
