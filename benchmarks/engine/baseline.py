"""diffusers' own image-to-image pipeline at the same work.

The same network but for its input's channels, the same number of evaluations, size, batch and codec, text already
encoded, uint8 pictures in and out.

For SD 1.5 it is the InstructPix2Pix pipeline, which RFDM 1.5 descends from and which knows three branches; for SD 3.5
the image-to-image pipeline, without guidance at any number of evaluations, since it knows two branches only.
"""

from collections.abc import Callable

import numpy as np
import torch
from diffusers import StableDiffusion3Img2ImgPipeline, StableDiffusionInstructPix2PixPipeline
from diffusers.utils.logging import set_verbosity_error
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.engine.models import (
    PAPER_EVALUATIONS,
    PAPER_STEPS,
    CodecName,
    Subject,
    autoencoder,
    network,
    scheduler,
)

Step = Callable[[], NDArray[np.uint8]]


def baseline_step(
    subject: Subject,
    codec: CodecName,
    evaluations: int,
    pictures: NDArray[np.uint8],
    device: torch.device,
    dtype: torch.dtype,
) -> Step:
    """A call that edits the pictures, (B, H, W, 3) uint8, by diffusers' pipeline."""
    # It warns of a list of layers that is empty, for each part of a pipeline.
    set_verbosity_error()
    make = _instruct_pix2pix if subject.family == "unet" else _image_to_image
    run = make(subject, codec, evaluations, len(pictures), device, dtype)

    @torch.inference_mode()
    def step() -> NDArray[np.uint8]:
        # Tensors both ways are the fastest that the pipeline takes and gives.
        image = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).to(dtype) / 255
        shown = run(image)
        edited: NDArray[np.uint8] = (
            (shown * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        )
        return edited

    return step


def _instruct_pix2pix(
    subject: Subject,
    codec: CodecName,
    evaluations: int,
    batch: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Callable[[Tensor], Tensor]:
    pipeline = StableDiffusionInstructPix2PixPipeline(
        vae=autoencoder(subject, codec, device, dtype),
        text_encoder=None,
        tokenizer=None,
        unet=network(subject, 2, device, dtype),
        scheduler=scheduler(subject),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(device, dtype)
    pipeline.set_progress_bar_config(disable=True)
    guided = evaluations == PAPER_EVALUATIONS
    text = torch.zeros(
        batch, subject.tokens, subject.network["cross_attention_dim"], device=device, dtype=dtype
    )

    def run(image: Tensor) -> Tensor:
        shown: Tensor = pipeline(
            image=image,
            prompt_embeds=text,
            negative_prompt_embeds=text if guided else None,
            num_inference_steps=PAPER_STEPS if guided else evaluations,
            guidance_scale=1.5 if guided else 1.0,
            image_guidance_scale=3.5 if guided else 1.0,
            output_type="pt",
        ).images
        return shown

    return run


def _image_to_image(
    subject: Subject,
    codec: CodecName,
    evaluations: int,
    batch: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Callable[[Tensor], Tensor]:
    pipeline = StableDiffusion3Img2ImgPipeline(
        transformer=network(subject, 1, device, dtype),
        scheduler=scheduler(subject),
        vae=autoencoder(subject, codec, device, dtype),
        text_encoder=None,
        tokenizer=None,
        text_encoder_2=None,
        tokenizer_2=None,
        text_encoder_3=None,
        tokenizer_3=None,
    ).to(device, dtype)
    pipeline.set_progress_bar_config(disable=True)
    width, pooled = subject.network["joint_attention_dim"], subject.network["pooled_projection_dim"]
    text = torch.zeros(batch, subject.tokens, width, device=device, dtype=dtype)
    whole = torch.zeros(batch, pooled, device=device, dtype=dtype)

    def run(image: Tensor) -> Tensor:
        shown: Tensor = pipeline(
            image=image,
            height=image.shape[2],
            width=image.shape[3],
            prompt_embeds=text,
            pooled_prompt_embeds=whole,
            strength=1.0,
            num_inference_steps=evaluations,
            guidance_scale=1.0,
            output_type="pt",
        ).images
        return shown

    return run
