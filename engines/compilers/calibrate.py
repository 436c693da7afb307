"""``python -m engines.compilers.calibrate``: measure the ranges that eight-bit convolutions of a model need.

Run it after training, on the training media: it writes ``activation_ranges.json`` beside the model's weights, a few
kilobytes that are the same for the same weights and media.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engines.compilers.quantisation import RANGES_FILE, measure_ranges, save_ranges
from engines.conditioning import NO_COLOUR, instruction_code
from engines.families import FAMILIES, TAKES_RGB, TAKES_RGB_OF
from engines.flow import flow_levels
from engines.model import ModelError, find_model, load_parts
from engines.program import Direct, FrameProgram
from engines.training.filming import moving_crop
from engines.training.media import SHORT_SIDE, Scene, load_media, training_files

_MOST_FILES = 48
_LOOKS = ((1.0, (0.95, 0.2, 0.1)), (1.5, (0.1, 0.25, 0.95)))
"""Amount and colour of the two frames of each family."""


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


def calibrate(folder: Path, scenes: Sequence[Scene]) -> None:
    """Measure a model folder's activation ranges on training scenes and store them there.

    Raises:
        ModelError: The model cannot be loaded.
        OSError: The ranges cannot be written.
    """
    parts = load_parts(folder)
    program = FrameProgram(Direct(parts.denoiser), parts.codec, flow_levels(1))
    frames = calibration_frames(scenes, parts.codec.channels, parts.codec.downscale)
    save_ranges(measure_ranges(program, frames), folder / "denoiser")


def main(arguments: list[str]) -> int:
    """Run the command; 0 on success, 2 where the input is wrong."""
    parser = argparse.ArgumentParser(prog="python -m engines.compilers.calibrate", description=__doc__)
    parser.add_argument("--model", default="rfdm-tiny", help="a shipped model's name or a model folder")
    parser.add_argument("--media", type=Path, required=True, metavar="DIR", help="the training media")
    options = parser.parse_args(arguments)
    try:
        folder = find_model(options.model)
        files = training_files(options.media)
        files = files[:: -(-len(files) // _MOST_FILES) or 1]
        calibrate(folder, load_media(options.media, files, max_frames=1).scenes)
    except (ModelError, OSError) as error:
        print(f"calibrate: {error}", file=sys.stderr)
        return 2
    print(f"wrote {folder / 'denoiser' / RANGES_FILE}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
