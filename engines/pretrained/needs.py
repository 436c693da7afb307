"""What a checkpoint needs of a machine, and whether this one has it."""

from dataclasses import dataclass

import psutil
import torch

from engines.fields import Fields
from engines.model import ModelError
from engines.pretrained.checkpoint import Checkpoint, Component

_LAYERS_ALIVE = 4
"""Picture-sized layers of the decoder that are alive at once: a residual block's input, two inside, its output."""


@dataclass(frozen=True)
class Needs:
    """Bytes of memory that running a checkpoint takes, about.

    Attributes:
        device: On the device that runs the denoiser.
        host: In main memory beside it; the text encoders stay there.
    """

    device: int
    host: int


@dataclass(frozen=True)
class Room:
    """Bytes of memory that are free here."""

    device: int
    host: int


def text_dtype(device: torch.device) -> torch.dtype:
    """What text encoders compute in on a device; T5 leaves float16's range."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def networks_bytes(checkpoint: Checkpoint, dtype: torch.dtype) -> int:
    """Of the denoiser's and the codec's weights in a precision."""
    every = sum(component.parameters for component in checkpoint.components.values())
    return (every - checkpoint.text_parameters) * dtype.itemsize


def needs_of(
    checkpoint: Checkpoint,
    dtype: torch.dtype,
    device: torch.device,
    short_side: int,
    home: torch.device | None = None,
) -> Needs:
    """Weights in the given precision, and the widest layers of one picture of ``short_side`` squared.

    Args:
        checkpoint: Its headers.
        dtype: Of the denoiser's and the codec's weights.
        device: Where it runs.
        short_side: Of the picture, in pixels.
        home: Where those weights are loaded; the device where it is None. Engines hold them on the device as well.

    Raises:
        ModelError: The autoencoder's configuration does not tell how wide its layers are.
    """
    text = checkpoint.text_parameters * text_dtype(device).itemsize
    rest = networks_bytes(checkpoint, dtype)
    working = _LAYERS_ALIVE * 2 * _widest(checkpoint.components["vae"]) * short_side**2 * dtype.itemsize
    if device.type == "cpu":
        return Needs(device=0, host=text + rest + working)
    kept = rest if home is not None and home.type == "cpu" else 0
    return Needs(device=rest + working, host=text + kept)


def _widest(codec: Component) -> int:
    """Channels of an autoencoder's layers of a picture's own size."""
    fields = Fields(codec.folder / "config.json", codec.config)
    try:
        for name in ("block_out_channels", "decoder_block_out_channels"):
            if codec.config.get(name) is not None:
                return fields.wholes(name)[0]
    except ValueError as error:
        raise ModelError(str(error)) from error
    return 128


def room_on(device: torch.device) -> Room:
    """What is free on a device and in main memory."""
    host: int = psutil.virtual_memory().available
    if device.type == "cpu":
        return Room(device=0, host=host)
    return Room(device=torch.cuda.mem_get_info(device)[0], host=host)


def check_room(name: str, needs: Needs, room: Room) -> None:
    """Refuse what would not fit.

    Raises:
        ModelError: There is too little memory; one line says how much of which.
    """
    for needed, free, where in (
        (needs.device, room.device, "on the GPU"),
        (needs.host, room.host, "of main memory"),
    ):
        if needed > free:
            raise ModelError(f"{name} needs about {gigabytes(needed)} {where}, {gigabytes(free)} are free")


def gigabytes(count: int) -> str:
    """Bytes for a person, in powers of a thousand."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
