"""Models to time, with random weights: speed does not depend on their values."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

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
from engines.backbones.sd35 import TransformerDenoiser
from engines.backbones.tiny import TinyConfig, TinyDenoiser
from engines.codecs import AutoencoderCodec, Codec, PatchCodec
from engines.program import Direct, FrameProgram, ThreeBranch
from engines.schedules import PlainFlow, Schedule, ShiftedFlow, VariancePreserving

CodecName = Literal["tiny", "kl", "patch"]
Family = Literal["unet", "transformer", "embedded"]

PAPER_STEPS = 8
PAPER_EVALUATIONS = 3 * PAPER_STEPS
"""Eight steps of three branches: the only setting here that is guided."""


@dataclass(frozen=True)
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


def network(subject: Subject, latents: int) -> UNet2DConditionModel | SD3Transformer2DModel:
    """A diffusers network of random weights that takes so many latents on its input."""
    torch.manual_seed(0)
    channels = subject.latent_channels
    kind = UNet2DConditionModel if subject.family == "unet" else SD3Transformer2DModel
    return kind(in_channels=latents * channels, out_channels=channels, **subject.network).eval()


@lru_cache(maxsize=1)
def _expanded(name: str) -> UNet2DConditionModel | SD3Transformer2DModel:
    """Made once for all cells of a model: two thousand million random numbers take a while. Nobody changes it."""
    return network(SUBJECTS[name], 3)


def autoencoder(subject: Subject, codec: CodecName) -> AutoencoderKL | AutoencoderTiny:
    """A diffusers autoencoder of random weights."""
    torch.manual_seed(0)
    kind = AutoencoderTiny if codec == "tiny" else AutoencoderKL
    return kind(latent_channels=subject.latent_channels, **subject.autoencoders[codec]).eval()


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


def frame_program(subject: Subject, codec: CodecName, evaluations: int) -> FrameProgram:
    """The program of a frame, in float32 on the CPU.

    Args:
        subject: What to time.
        codec: One of its codecs.
        evaluations: Of the network for a frame; 24 is the paper's setting, any other is so many steps.
    """
    own: Codec
    if subject.family == "embedded":
        torch.manual_seed(0)
        denoiser: torch.nn.Module = TinyDenoiser(TinyConfig()).eval()
        own, schedule, kind = PatchCodec(2), _schedule(subject), "sample"
    elif subject.family == "unet":
        denoiser = UnetDenoiser(_expanded(subject.name), subject.tokens)
        own, schedule, kind = AutoencoderCodec(autoencoder(subject, codec)), _schedule(subject), "epsilon"
    else:
        denoiser = TransformerDenoiser(_expanded(subject.name), subject.tokens)
        own, schedule, kind = (
            AutoencoderCodec(autoencoder(subject, codec)),
            _schedule(subject),
            "flow_velocity",
        )
    guided = evaluations == PAPER_EVALUATIONS
    predict = ThreeBranch(denoiser, 3.5, 1.5) if guided else Direct(denoiser)
    levels = schedule.levels(PAPER_STEPS if guided else evaluations)
    return FrameProgram(predict, own, levels, kind).eval()  # type: ignore[arg-type]  # a literal, through a tuple


def _schedule(subject: Subject) -> Schedule:
    if subject.family == "embedded":
        return PlainFlow()
    if subject.family == "transformer":
        return ShiftedFlow(3.0, 1000)
    return VariancePreserving(scheduler(subject).alphas_cumprod)
