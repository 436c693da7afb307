"""Models to time, with random weights: speed does not depend on their values."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)

from engines.backbones.sd15 import UnetDenoiser
from engines.backbones.sd35 import TransformerDenoiser, crop_positions
from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.codecs import AutoencoderCodec, Codec, PatchCodec
from engines.prediction import PredictionType
from engines.program import Direct, FrameProgram, ThreeBranch
from engines.schedules import PlainFlow, Schedule, ShiftedFlow, VariancePreserving

CodecName = Literal["tiny", "kl", "patch"]
Family = Literal["unet", "transformer", "embedded"]

PAPER_STEPS = 8
PAPER_EVALUATIONS = 3 * PAPER_STEPS
"""Eight steps of three branches: the only setting here that is guided."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model to time.

    Attributes:
        name: As in the rows.
        family: Which backbone.
        network: Configuration of the network, without its input channels.
        tokens: Length of the text.
        autoencoders: Configuration of each learned codec.
        latent_channels: Of them.
    """

    name: str
    family: Family
    network: dict[str, Any] = field(default_factory=dict)
    tokens: int = 0
    autoencoders: dict[str, dict[str, Any]] = field(default_factory=dict)
    latent_channels: int = 4

    @property
    def codecs(self) -> tuple[CodecName, ...]:
        """Those it can be timed with."""
        return ("patch",) if self.family == "embedded" else ("tiny", "kl")


_KL = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
_FULL_KL = _KL | {"block_out_channels": (128, 256, 512, 512)}
_SMALL_KL = _KL | {"block_out_channels": (16, 32, 32, 32), "norm_num_groups": 8, "layers_per_block": 1}
_SMALL_TINY = {
    "encoder_block_out_channels": (16,) * 4,
    "decoder_block_out_channels": (16,) * 4,
    "num_encoder_blocks": (1, 1, 1, 1),
    "num_decoder_blocks": (1, 1, 1, 1),
}
_MEDIUM = {
    "sample_size": 128,
    "num_layers": 24,
    "attention_head_dim": 64,
    "num_attention_heads": 24,
    "joint_attention_dim": 4096,
    "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048,
    "pos_embed_max_size": 384,
    "dual_attention_layers": tuple(range(13)),
    "qk_norm": "rms_norm",
}
_SMALL_MEDIUM = _MEDIUM | {
    "num_layers": 4,
    "attention_head_dim": 32,
    "num_attention_heads": 4,
    "joint_attention_dim": 128,
    "caption_projection_dim": 128,
    "pooled_projection_dim": 64,
    "pos_embed_max_size": 96,
    "dual_attention_layers": (0, 1),
}

SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("rfdm-tiny", "embedded", latent_channels=48),
        Subject("rfdm1.5", "unet", {"cross_attention_dim": 768}, 77, {"tiny": {}, "kl": _FULL_KL}),
        Subject("rfdm3.5", "transformer", _MEDIUM, 333, {"tiny": {}, "kl": _FULL_KL}, 16),
        Subject(
            "small1.5",
            "unet",
            {
                "cross_attention_dim": 64,
                "block_out_channels": (32, 64, 96, 96),
                "layers_per_block": 1,
                "attention_head_dim": 4,
                "norm_num_groups": 16,
            },
            16,
            {"tiny": _SMALL_TINY, "kl": _SMALL_KL},
        ),
        Subject("small3.5", "transformer", _SMALL_MEDIUM, 16, {"tiny": _SMALL_TINY, "kl": _SMALL_KL}, 16),
    )
}


Network = TypeVar("Network", bound=torch.nn.Module)

CPU, META = torch.device("cpu"), torch.device("meta")


@contextmanager
def made_on(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Whatever is made inside is made there and of that type at once; float32 on the way would not always fit."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            torch.manual_seed(0)
            yield
    finally:
        torch.set_default_dtype(before)


def network(
    subject: Subject, latents: int, device: torch.device = CPU, dtype: torch.dtype = torch.float32
) -> UNet2DConditionModel | SD3Transformer2DModel:
    """A diffusers network of random weights that takes so many latents on its input."""
    channels = subject.latent_channels
    kind = UNet2DConditionModel if subject.family == "unet" else SD3Transformer2DModel
    with made_on(device, dtype):
        made = kind(in_channels=latents * channels, out_channels=channels, **subject.network)
    return _wholly(made, device, dtype)


def _wholly(made: Network, device: torch.device, dtype: torch.dtype) -> Network:
    """Tables of positions are computed by NumPy, in main memory and float32."""
    # diffusers' own `to` warns of parts to keep in float32 where there are none.
    moved: Network = torch.nn.Module.to(made, device, dtype)
    return moved.eval()


@lru_cache(maxsize=1)
def _kept(subject: Subject, dtype: torch.dtype) -> UNet2DConditionModel | SD3Transformer2DModel:
    """In main memory, made once for all cells of a model: random numbers take a while. Nobody changes it."""
    return network(subject, 3, CPU, dtype)


def autoencoder(
    subject: Subject, codec: CodecName, device: torch.device = CPU, dtype: torch.dtype = torch.float32
) -> AutoencoderKL | AutoencoderTiny:
    """A diffusers autoencoder of random weights."""
    kind = AutoencoderTiny if codec == "tiny" else AutoencoderKL
    with made_on(device, dtype):
        made = kind(latent_channels=subject.latent_channels, **subject.autoencoders[codec])
    return _wholly(made, device, dtype)


def scheduler(subject: Subject) -> DDIMScheduler | FlowMatchEulerDiscreteScheduler:
    """The scheduler that diffusers' pipeline samples with, of the checkpoint's own settings."""
    if subject.family == "transformer":
        return FlowMatchEulerDiscreteScheduler(shift=3.0)
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        timestep_spacing="trailing",
    )


def frame_program(
    subject: Subject,
    codec: CodecName,
    evaluations: int,
    device: torch.device = CPU,
    dtype: torch.dtype = torch.float32,
) -> FrameProgram:
    """The program of a frame.

    Args:
        subject: What to time.
        codec: One of its codecs.
        evaluations: Of the network for a frame; 24 is the paper's setting, any other is so many steps.
        device: Where its weights are made; on "meta" they take no memory.
        dtype: Of its weights.
    """
    denoiser, own, kind = _random_parts(subject, codec, device, dtype)
    guided = evaluations == PAPER_EVALUATIONS
    predict = ThreeBranch(denoiser, 3.5, 1.5) if guided else Direct(denoiser)
    levels = _schedule(subject).levels(PAPER_STEPS if guided else evaluations)
    return FrameProgram(predict, own, levels, kind).eval()


def _random_parts(
    subject: Subject, codec: CodecName, device: torch.device, dtype: torch.dtype
) -> tuple[torch.nn.Module, Codec, PredictionType]:
    if subject.family == "embedded":
        with made_on(device, dtype):
            return TinyDenoiser(TinyConfig()).eval(), PatchCodec(2), "sample"
    made = _kept(subject, dtype) if device == CPU else network(subject, 3, device, dtype)
    learned = AutoencoderCodec(autoencoder(subject, codec, device, dtype))
    if subject.family == "unet":
        return UnetDenoiser(made, subject.tokens), learned, "epsilon"
    # As a checkpoint is loaded.
    crop_positions(made)
    return TransformerDenoiser(made, subject.tokens), learned, "flow_velocity"


def _schedule(subject: Subject) -> Schedule:
    if subject.family == "embedded":
        return PlainFlow()
    if subject.family == "transformer":
        return ShiftedFlow(3.0, 1000)
    return VariancePreserving(scheduler(subject).alphas_cumprod)
