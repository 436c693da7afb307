"""A small program of every backbone, each with another codec."""

from typing import Literal

import torch

from engines.backbones.sd15 import UnetDenoiser
from engines.backbones.sd35 import TransformerDenoiser
from engines.codecs import AutoencoderCodec
from engines.flow import flow_levels
from engines.program import Direct, FrameProgram, ThreeBranch
from engines.schedules import ShiftedFlow, VariancePreserving
from tests.engines.stock import kl, taesd, transformer, unet, vp_scheduler
from tests.engines.streams import small_parts

Backbone = Literal["tiny", "sd15", "sd35"]
BACKBONES: tuple[Backbone, ...] = ("tiny", "sd15", "sd35")
_TOKENS = 5


def subject(backbone: str, steps: int = 1, guided: bool = False) -> FrameProgram:
    """A random program in float32, the same at every call."""
    torch.manual_seed(0)
    if backbone == "tiny":
        parts = small_parts()
        return FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(steps))
    if backbone == "sd15":
        betas = VariancePreserving(vp_scheduler().alphas_cumprod)
        denoiser = UnetDenoiser(unet(12), _TOKENS)
        predict = ThreeBranch(denoiser, 3.5, 1.5) if guided else Direct(denoiser)
        program = FrameProgram(predict, AutoencoderCodec(taesd()), betas.levels(steps), "epsilon")
    else:
        predict = Direct(TransformerDenoiser(transformer(48), _TOKENS))
        codec = AutoencoderCodec(kl(16, shift=0.0609))
        program = FrameProgram(predict, codec, ShiftedFlow(3.0, 1000).levels(steps), "flow_velocity")
    return program.eval()
