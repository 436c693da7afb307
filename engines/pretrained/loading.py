"""A checkpoint folder, stock or RFDM, as the parts of an editor."""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from engines.codecs import load_autoencoder
from engines.model import ModelError, ModelParts
from engines.pretrained.checkpoint import SD15, Checkpoint, read_checkpoint
from engines.pretrained.index import RfdmIndex, index_of
from engines.pretrained.needs import check_room, needs_of, room_on
from engines.pretrained.weights import load_whole
from engines.schedules import load_schedule

if TYPE_CHECKING:
    from engines.text_encoders import ClipEmbedder, Sd3Embedder

logger = logging.getLogger(__name__)


def load_large(folder: Path, name: str, device: torch.device, dtype: torch.dtype) -> ModelParts:
    """Load a checkpoint, denoiser and codec onto the device; the text encoders stay in main memory.

    Args:
        folder: A stock checkpoint or an RFDM folder.
        name: What a stock one is called.
        device: Where it will run.
        dtype: What its weights are kept in.

    Raises:
        ModelError: It cannot be used here. All that headers and configurations can tell is told before any weight
            is read.
    """
    require_libraries()
    checkpoint = read_checkpoint(folder)
    index = index_of(checkpoint, name)
    check_room(index.name, needs_of(checkpoint, dtype, device, index.short_side), room_on(device))
    try:
        return _load(checkpoint, index, device, dtype)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        if isinstance(error, ModelError):
            raise
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{folder} cannot be loaded: {first_line}") from error


def require_libraries() -> None:
    """See that the libraries of the large backbones are installed.

    Raises:
        ModelError: One is not.
    """
    for library in ("accelerate", "diffusers", "transformers"):
        if find_spec(library) is None:
            raise ModelError(f"this model needs the package {library}: pip install 'afterimage[backbones]'")


def _load(checkpoint: Checkpoint, index: RfdmIndex, device: torch.device, dtype: torch.dtype) -> ModelParts:
    # Imported here: diffusers and transformers take seconds, which the embedded model does not wait for.
    from transformers.utils.logging import disable_progress_bar

    from engines.text_encoders import FreeInstructionEncoder

    disable_progress_bar()
    schedule, prediction = load_schedule(checkpoint.folder / "scheduler")
    encoder = FreeInstructionEncoder(load_embedder(checkpoint, index, device, dtype))
    missing = [part for part in ("source", "memory") if part not in index.trained_inputs]
    if missing:
        logger.warning("%s was never trained to use the %s", index.name, " or the ".join(missing))
    codec = load_autoencoder(checkpoint.folder / "vae", dtype, checkpoint.components["vae"].variant)
    return ModelParts(
        name=index.name,
        version=index.version,
        key_frame_interval=index.key_frame_interval if "memory" in index.trained_inputs else None,
        denoiser=load_denoiser(checkpoint, index, dtype).to(device),
        codec=codec.to(device),
        instruction_encoder=encoder,
        schedule=schedule,
        prediction=prediction,
        steps=index.steps,
        guidance=index.guidance,
        silence=encoder.silence(),
        families=(),
        size_multiple=size_multiple(checkpoint, codec.downscale),
        short_side=index.short_side,
    )


def size_multiple(checkpoint: Checkpoint, downscale: int) -> int:
    """What both sides of a picture must be multiples of, in pixels: whole latents at the network's coarsest level."""
    config = checkpoint.denoiser.config
    if checkpoint.kind is SD15:
        return int(downscale * 2 ** (len(config["block_out_channels"]) - 1))
    return int(downscale * config["patch_size"])


def load_denoiser(checkpoint: Checkpoint, index: RfdmIndex, dtype: torch.dtype) -> nn.Module:
    """The network with all of [noisy, source, memory] on its input.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing or of another shape.
    """
    import diffusers

    component, kind = checkpoint.denoiser, checkpoint.kind
    scales, tokens = (
        input_scales(checkpoint),
        checkpoint.components["text_encoder"].config["max_position_embeddings"],
    )
    network = load_whole(
        getattr(diffusers, kind.denoiser_class),
        component.folder,
        torch_dtype=dtype,
        variant=component.variant,
    ).eval()
    if kind is SD15:
        from engines.backbones.sd15 import UnetDenoiser, expand_unet

        return UnetDenoiser(expand_unet(network, scales), tokens)
    from engines.backbones.sd35 import TransformerDenoiser, expand_transformer

    return TransformerDenoiser(expand_transformer(network, scales), tokens + index.t5_tokens)


def input_scales(checkpoint: Checkpoint) -> tuple[float, ...]:
    """Factors that let a stock network's input weights take normalised latents.

    InstructPix2Pix was trained on a source latent as the autoencoder gives it, not multiplied by the scaling factor.
    """
    if checkpoint.is_rfdm or len(checkpoint.inputs) < 2:
        return ()
    return (1.0, 1.0 / float(checkpoint.components["vae"].config["scaling_factor"]))


def load_embedder(
    checkpoint: Checkpoint, index: RfdmIndex, device: torch.device, dtype: torch.dtype
) -> "ClipEmbedder | Sd3Embedder":
    """The checkpoint's text encoders, in main memory.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing or of another shape.
    """
    from engines.text_encoders import ClipEmbedder, Sd3Embedder, load_clip, load_projected_clip, load_t5

    folder, parts = checkpoint.folder, checkpoint.components
    if checkpoint.kind is SD15:
        return ClipEmbedder(load_clip(parts["text_encoder"], folder / "tokenizer", dtype, device))
    clips = (
        load_projected_clip(parts["text_encoder"], folder / "tokenizer", dtype, device),
        load_projected_clip(parts["text_encoder_2"], folder / "tokenizer_2", dtype, device),
    )
    t5 = None
    if index.t5_tokens and "text_encoder_3" in parts:
        t5 = load_t5(parts["text_encoder_3"], folder / "tokenizer_3", index.t5_tokens, dtype, device)
    return Sd3Embedder(clips, t5, index.t5_tokens, checkpoint.denoiser.config["joint_attention_dim"])
