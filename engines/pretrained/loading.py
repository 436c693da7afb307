"""A checkpoint folder, stock or RFDM, as the parts of an editor."""

import logging
from collections.abc import Iterator, Set
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from engines.codecs import load_autoencoder, outline_autoencoder
from engines.conditioning import Conditioning, InstructionEncoder, InstructionError
from engines.fields import Fields
from engines.install import install_extra
from engines.model import ModelError, ModelParts
from engines.pretrained.checkpoint import SD15, Checkpoint, Component, read_checkpoint
from engines.pretrained.index import RfdmIndex, index_of
from engines.pretrained.needs import Needs, check_room, needs_of, networks_bytes, room_on, text_dtype
from engines.pretrained.weights import load_whole, outline_whole
from engines.schedules import load_schedule

if TYPE_CHECKING:
    from engines.text_encoders import ClipEmbedder, Sd3Embedder

logger = logging.getLogger(__name__)


def load_large(
    folder: Path, name: str, home: torch.device, dtype: torch.dtype, device: torch.device
) -> ModelParts:
    """Load a checkpoint, denoiser and codec into their home; the text encoders stay in main memory.

    Args:
        folder: A stock checkpoint or an RFDM folder.
        name: What a stock one is called.
        home: Where its weights go: the device, or main memory if engines are made of them.
        dtype: What its weights are kept in.
        device: Where it will run, and its text encoders with it.

    Raises:
        ModelError: It cannot be used here. All that headers and configurations can tell is told before any weight
            is read.
    """
    require_libraries()
    checkpoint = read_checkpoint(folder)
    index = index_of(checkpoint, name)
    check_room(index.name, needs_of(checkpoint, dtype, device, index.short_side, home), room_on(device))
    with _one_line(folder):
        _outline(checkpoint, checkpoint.components["vae"], checkpoint.components.keys())
        # Imported here: transformers takes seconds, which the embedded model does not wait for.
        from engines.text_encoders import FreeInstructionEncoder

        encoder = FreeInstructionEncoder(load_embedder(checkpoint, index, device, text_dtype(device)))
        missing = [part for part in ("source", "memory") if part not in index.trained_inputs]
        if missing:
            logger.warning("%s was never trained to use the %s", index.name, " or the ".join(missing))
        return _parts(checkpoint, index, home, dtype, encoder, encoder.silence())


def load_large_networks(folder: Path, name: str, dtype: torch.dtype) -> ModelParts:
    """Load denoiser and codec into main memory, for making engines; it takes no instruction.

    Args:
        folder: A stock checkpoint or an RFDM folder.
        name: What a stock one is called.
        dtype: What its weights are kept in.

    Raises:
        ModelError: As for :func:`load_large`.
    """
    require_libraries()
    checkpoint = read_checkpoint(folder)
    index = index_of(checkpoint, name)
    cpu = torch.device("cpu")
    check_room(index.name, Needs(device=0, host=networks_bytes(checkpoint, dtype)), room_on(cpu))
    with _one_line(folder):
        _outline(checkpoint, checkpoint.components["vae"], frozenset())
        return _parts(checkpoint, index, cpu, dtype, _NoEncoder(index.name), None)


def check_loadable(
    checkpoint: Checkpoint, codec: Component | None = None, left_out: Set[str] = frozenset()
) -> None:
    """See that a checkpoint's parts can be loaded, by its configurations and headers: no weight is read.

    Args:
        checkpoint: Whose parts.
        codec: The autoencoder that will take the place of its own.
        left_out: Parts that nobody will load.

    Raises:
        ModelError: One cannot be, or a library is missing.
    """
    require_libraries()
    with _one_line(checkpoint.folder):
        _outline(checkpoint, codec or checkpoint.components["vae"], checkpoint.components.keys() - left_out)


def _outline(checkpoint: Checkpoint, codec: Component, text: Set[str]) -> None:
    """See that schedule, network, autoencoder and the text encoders of these names can be loaded.

    Raises:
        OSError: A file is missing.
        ValueError: A configuration is wrong, or is not of its weights.
    """
    # Imported here: both take seconds.
    import diffusers

    from engines.text_encoders import outline_text_encoder

    folder, kind = checkpoint.folder, checkpoint.kind
    load_schedule(folder / "scheduler")
    denoiser = checkpoint.denoiser
    outline_whole(getattr(diffusers, kind.denoiser_class), denoiser.folder, denoiser.variant)
    size_multiple(checkpoint, outline_autoencoder(codec.folder, codec.variant).downscale)
    input_scales(checkpoint)
    _text_tokens(checkpoint)
    for encoder, tokenizer in zip(kind.text, kind.tokenizers, strict=True):
        if encoder in text and encoder in checkpoint.components:
            outline_text_encoder(kind.name, checkpoint.components[encoder], folder / tokenizer)


class _NoEncoder:
    """In the place of text encoders that were not loaded."""

    def __init__(self, model: str) -> None:
        self._model = model

    def encode(self, text: str) -> Conditioning:
        raise InstructionError(f"{self._model} was loaded without its text encoders")


@contextmanager
def _one_line(folder: Path) -> Iterator[None]:
    """Whatever keeps a folder from loading, as one line.

    Raises:
        ModelError: It cannot be loaded.
    """
    try:
        yield
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
            raise ModelError(f"this model needs the package {library}: {install_extra('backbones')}")


def _parts(
    checkpoint: Checkpoint,
    index: RfdmIndex,
    home: torch.device,
    dtype: torch.dtype,
    encoder: InstructionEncoder,
    silence: Tensor | None,
) -> ModelParts:
    schedule, prediction = load_schedule(checkpoint.folder / "scheduler")
    denoiser = load_denoiser(checkpoint, index, dtype)
    if checkpoint.kind is not SD15:
        from engines.backbones.sd35 import crop_positions

        crop_positions(denoiser.transformer)
    codec = load_autoencoder(checkpoint.folder / "vae", dtype, checkpoint.components["vae"].variant)
    return ModelParts(
        name=index.name,
        version=index.version,
        key_frame_interval=index.key_frame_interval if "memory" in index.trained_inputs else None,
        denoiser=denoiser.to(home),
        codec=codec.to(home),
        instruction_encoder=encoder,
        schedule=schedule,
        prediction=prediction,
        steps=index.steps,
        guidance=index.guidance,
        # As the weights are: another type in one place would have the whole program copied into it.
        silence=None if silence is None else silence.to(home, dtype),
        families=(),
        size_multiple=size_multiple(checkpoint, codec.downscale),
        short_side=index.short_side,
    )


def size_multiple(checkpoint: Checkpoint, downscale: int) -> int:
    """What both sides of a picture must be multiples of, in pixels: whole latents at the network's coarsest level.

    Raises:
        ValueError: The network's configuration does not tell.
    """
    fields = Fields(checkpoint.denoiser.folder / "config.json", checkpoint.denoiser.config)
    if checkpoint.kind is SD15:
        return int(downscale * 2 ** (len(fields.wholes("block_out_channels")) - 1))
    return downscale * fields.whole("patch_size", least=1)


def load_denoiser(checkpoint: Checkpoint, index: RfdmIndex, dtype: torch.dtype) -> nn.Module:
    """The network with all of [noisy, source, memory] on its input.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing or of another shape.
    """
    import diffusers

    component, kind = checkpoint.denoiser, checkpoint.kind
    scales, tokens = input_scales(checkpoint), _text_tokens(checkpoint)
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


def _text_tokens(checkpoint: Checkpoint) -> int:
    """Of CLIP's text; what T5 reads comes after them."""
    clip = checkpoint.components["text_encoder"]
    return Fields(clip.folder / "config.json", clip.config).whole("max_position_embeddings", least=1)


def input_scales(checkpoint: Checkpoint) -> tuple[float, ...]:
    """Factors that let a stock network's input weights take normalised latents.

    InstructPix2Pix was trained on a source latent as the autoencoder gives it, not multiplied by the scaling factor.

    Raises:
        ValueError: The autoencoder's configuration does not tell that factor.
    """
    if checkpoint.is_rfdm or len(checkpoint.inputs) < 2:
        return ()
    vae = checkpoint.components["vae"]
    return (1.0, 1.0 / Fields(vae.folder / "config.json", vae.config).positive("scaling_factor"))


def load_embedder(
    checkpoint: Checkpoint, index: RfdmIndex, device: torch.device, dtype: torch.dtype
) -> "ClipEmbedder | Sd3Embedder":
    """The checkpoint's text encoders, in main memory.

    Raises:
        OSError: A file is missing.
        ValueError: A weight is missing or of another shape.
    """
    from transformers.utils.logging import disable_progress_bar

    from engines.text_encoders import ClipEmbedder, Sd3Embedder, load_clip, load_projected_clip, load_t5

    disable_progress_bar()
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
