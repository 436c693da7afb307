"""``python -m engines.compilers.calibrate``: measure the ranges that eight-bit layers of a model need.

Run it after training, on the training media: it writes ``activation_ranges.json`` beside the model's weights, a few
kilobytes that are the same for the same weights and media. Of a large model it keeps as many layers as eight bits
hold the error for; the others stay in half precision.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from engines.compilers.placement import CPU
from engines.compilers.quantisation import RANGES_FILE, denoiser_folder, measure_ranges, save_ranges
from engines.compilers.sensitivity import EightBits, ranges_within
from engines.conditioning import NO_COLOUR, InstructionError, instruction_code
from engines.editor import choose_device
from engines.families import FAMILIES, TAKES_RGB, TAKES_RGB_OF
from engines.flow import flow_levels
from engines.model import ModelError, ModelParts, find_model, load_parts
from engines.program import Direct, FrameProgram, frame_program
from engines.training.filming import moving_crop
from engines.training.media import SHORT_SIDE, Scene, load_media, training_files

_MOST_FILES = 48
_LOOKS = ((1.0, (0.95, 0.2, 0.1)), (1.5, (0.1, 0.25, 0.95)))
"""Amount and colour of the two frames of each family."""
_INSTRUCTIONS = (
    "make it a pencil sketch",
    "turn it into a snowy winter night",
    "as an oil painting by an old master",
    "add a red hat to the person",
    "remove the car",
)
_SHARE_OF_LIMIT = 0.5
"""The rest is left to half precision, and to pictures that were not calibrated on."""


def calibration_frames(
    scenes: Sequence[Scene], latent_channels: int, downscale: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Crops of the scenes under every family's instruction, as inputs of ``FrameProgram.forward``."""
    generator = torch.Generator().manual_seed(0)
    latent = (1, latent_channels, SHORT_SIDE // downscale, SHORT_SIDE // downscale)
    for family in FAMILIES:
        for amount, colour in _LOOKS:
            scene = scenes[int(torch.randint(len(scenes), (), generator=generator))]
            crop = moving_crop(scene, 1, 1, SHORT_SIDE, generator)
            picture = (crop * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
            rgb = colour if family in TAKES_RGB else NO_COLOUR
            rgb_of = colour if family in TAKES_RGB_OF else NO_COLOUR
            yield (
                picture,
                torch.zeros(latent),
                torch.randn(latent, generator=generator),
                instruction_code({family: 1.0}, amount, rgb, rgb_of)[None],
                torch.ones(1),
            )


def large_frames(
    parts: ModelParts, scenes: Sequence[Scene], device: torch.device
) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
    """Crops of the scenes under instructions of every kind, for a model that takes free text."""
    generator = torch.Generator().manual_seed(0)
    side = SHORT_SIDE // parts.size_multiple * parts.size_multiple
    latent = (1, parts.codec.channels, side // parts.codec.downscale, side // parts.codec.downscale)
    for text in _INSTRUCTIONS:
        scene = scenes[int(torch.randint(len(scenes), (), generator=generator))]
        crop = moving_crop(scene, 1, 1, side, generator)
        yield (
            (crop * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().to(device),
            torch.zeros(latent, device=device),
            torch.randn(latent, generator=generator).to(device),
            parts.instruction_encoder.encode(text).code[None].to(device),
            torch.ones(1, device=device),
        )


def calibrate(
    folder: Path, scenes: Sequence[Scene], precision: EightBits = "int8", device: torch.device = CPU
) -> int:
    """Measure a model folder's activation ranges on training scenes and store them there.

    Args:
        folder: The model's.
        scenes: Training media.
        precision: What a large model's layers are chosen for.
        device: Where a large model runs meanwhile.

    Returns:
        Layers that have a range.

    Raises:
        ModelError: The model cannot be loaded.
        InstructionError: It reads fewer tokens than the instructions that it is measured under have.
        OSError: The ranges cannot be written.
    """
    parts = load_parts(folder, device)
    if parts.families:
        program = FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))
        own = calibration_frames(scenes, parts.codec.channels, parts.codec.downscale)
        ranges = measure_ranges(program, own)
    else:
        # Imported here: it brings ONNX Runtime with it, which the embedded model can do without.
        from engines.compilers.verify import LIMIT

        # Guided and in all its steps: ranges differ from one noise level to the next.
        program = frame_program(parts)
        frames = list(large_frames(parts, scenes, device))
        ranges = measure_ranges(program, frames)
        # A pass for every layer: a short walk tells as much of which is the worse.
        short = frame_program(parts, min(parts.steps, 2))
        ranges = ranges_within(_SHARE_OF_LIMIT * LIMIT, short, ranges, frames[:1], precision)
    save_ranges(ranges, denoiser_folder(folder))
    return len(ranges)


def main(arguments: list[str]) -> int:
    """Run the command; 0 on success, 2 where the input is wrong."""
    parser = argparse.ArgumentParser(prog="python -m engines.compilers.calibrate", description=__doc__)
    parser.add_argument("--model", default="rfdm-tiny", help="a shipped model's name or a model folder")
    parser.add_argument("--media", type=Path, required=True, metavar="DIR", help="the training media")
    parser.add_argument(
        "--precision",
        default="int8",
        choices=get_args(EightBits),
        help="what a large model's layers are chosen for",
    )
    parser.add_argument(
        "--device", default="auto", help="where a large model runs meanwhile: cpu, cuda or auto (%(default)s)"
    )
    options = parser.parse_args(arguments)
    try:
        device = choose_device(options.device)
        folder = find_model(options.model)
        files = training_files(options.media)
        files = files[:: -(-len(files) // _MOST_FILES) or 1]
        scenes = load_media(options.media, files, max_frames=1).scenes
        layers = calibrate(folder, scenes, options.precision, device)
    except (InstructionError, ModelError, OSError) as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 2
    print(f"wrote {denoiser_folder(folder) / RANGES_FILE}: {layers} layers")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
