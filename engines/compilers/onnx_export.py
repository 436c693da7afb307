"""Parts of a frame program as ONNX, for every compiler that reads it."""

import warnings
from pathlib import Path

import torch

from engines.compilers.interface import FrameShape
from engines.compilers.parts import Part, part_inputs
from engines.install import install_extra
from engines.model import ModelError
from engines.program import FrameProgram

OPSET = 20
"""The first with group normalisation as one operator, and eight-bit floating point is in all its kernels."""

_EXAMPLE = FrameShape(2, 128, 192)
"""A UNet of four levels must not see odd sizes: it would be traced with the detour it takes for them."""
_AXES = {"pictures": {0: "batch", 1: "height", 2: "width"}, "edited": {0: "batch", 1: "height", 2: "width"}}
_VECTORS = ("timestep", "code", "strength")
_LATENT_AXES = {0: "batch", 2: "latent_height", 3: "latent_width"}


def export_onnx(part: Part, program: FrameProgram, dtype: torch.dtype, path: Path) -> None:
    """Write one part as ONNX with free batch and picture size, its weights in a file beside it.

    By tracing: the newer exporter took 10.6 s where this takes 0.5 s (a two-level UNet, one core), gave the same
    numbers, and its checks find nothing here, since a part has no control flow.

    Args:
        part: Of ``program``, whose weights are in ``dtype`` already.
        program: For the shapes of its latents and codes.
        dtype: What the part computes in.
        path: File to write.

    Raises:
        ModelError: The part cannot be exported, or onnx is not installed.
    """
    example = part_inputs(part, program, _EXAMPLE, dtype)
    names = (*part.inputs, part.output)
    axes = {name: {0: "batch"} if name in _VECTORS else _AXES.get(name, _LATENT_AXES) for name in names}
    # One for all frames.
    axes.pop("silence", None)
    try:
        # Imported here: compilers that need no onnx come by this module too.
        from engines.compilers.onnx_weights import attach_weights

        with warnings.catch_warnings(), torch.no_grad():
            # Tracing is announced as old, and every check of a shape that is traced away is named.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                part.module,
                example,
                path,
                dynamo=False,
                input_names=list(part.inputs),
                output_names=[part.output],
                dynamic_axes=axes,
                opset_version=OPSET,
                # Both would copy every weight.
                export_params=False,
                do_constant_folding=False,
            )
        attach_weights(path, part.module.state_dict())
    except ImportError as error:
        raise ModelError(
            f"ONNX export needs the package {error.name}: {install_extra('backbones')}"
        ) from error
    except (RuntimeError, ValueError, torch.onnx.errors.OnnxExporterError) as error:
        raise ModelError(
            f"the {part.name} cannot be exported to ONNX: {str(error).splitlines()[0]}"
        ) from error
