"""What a compiled engine was made from and for: the one thing that decides whether it may be used."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from engines.compilers.interface import Compiler, CompilerName, FrameShape, Precision
from engines.program import FrameProgram

EnginePart = Literal["program", "encoder", "denoiser", "decoder"]

_ROOM = Path(__file__).parents[1]
_SOURCES = (
    "program.py",
    "codecs.py",
    "flow.py",
    "guidance.py",
    "prediction.py",
    "backbones/*.py",
    "compilers/*.py",
)


@dataclass(frozen=True)
class EngineManifest:
    """Everything a compiled engine depends on; engines of equal manifests are interchangeable.

    Attributes:
        model_sha256: Weights, structure and constants of the part, and the source code that uses them.
        part: What of the frame it computes.
        compiler: What made it.
        precision: What its convolutions compute in.
        shapes: Batches and picture sizes it runs, each a profile of its own.
        library: Name and version of the compiler's library.
        device: What it runs on, e.g. "sm89" or a processor's name.
        settings: Whatever else the compiler was told.
    """

    model_sha256: str
    part: EnginePart
    compiler: CompilerName
    precision: Precision
    shapes: tuple[FrameShape, ...]
    library: str
    device: str
    settings: str = ""

    @property
    def key(self) -> str:
        """Short name of all of it, for a folder."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:24]

    def to_json(self) -> str:
        """As it is stored beside the engine."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> "EngineManifest":
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: It is not a manifest of this version.
        """
        try:
            stored = json.loads(text)
            shapes = tuple(FrameShape(**shape) for shape in stored.pop("shapes"))
            return EngineManifest(shapes=shapes, **stored)
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not an engine's manifest: {error}") from error

    def differences(self, other: "EngineManifest") -> tuple[str, ...]:
        """Names of the fields in which two manifests differ."""
        return tuple(
            field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name)
        )


def program_manifest(
    compiler: Compiler, digest: str, shape: FrameShape, library: str, device: str, settings: str = ""
) -> EngineManifest:
    """What a whole frame's engine for one shape depends on.

    Args:
        compiler: Whose name and precision it carries.
        digest: Of :func:`program_digest`.
        shape: The one it is compiled for.
        library: As in :class:`EngineManifest`, and so the others.
        device: What it runs on.
        settings: Whatever else the compiler was told.
    """
    return EngineManifest(
        model_sha256=digest,
        part="program",
        compiler=compiler.name,
        precision=compiler.precision,
        shapes=(shape,),
        library=library,
        device=device,
        settings=settings,
    )


def module_digest(module: nn.Module, constants: object = ()) -> str:
    """SHA-256 of a module: every weight, its structure, the constants it is used with, and the code that uses it."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name}{tuple(value.shape)}{value.dtype}".encode())
        # As bytes: NumPy has no bfloat16.
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    structure = [_configuration(part) for part in module.modules()]
    digest.update(repr((module, structure, constants)).encode())
    for pattern in _SOURCES:
        for path in sorted(_ROOM.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _configuration(part: nn.Module) -> str:
    """What a network of a library was configured as, without what that library notes for itself.

    diffusers keeps there where the network was loaded from, and a set whose order is another in every process.
    """
    config = getattr(part, "config", "")
    if isinstance(config, Mapping):
        config = sorted((name, value) for name, value in config.items() if not name.startswith("_"))
    return repr(config)


def program_digest(program: FrameProgram) -> str:
    """SHA-256 of a whole frame program, its sampler's levels included."""
    levels = (program.alphas, program.sigmas, program.timesteps, program.prediction, program.evaluations)
    return module_digest(program, (levels, codec_constants(program)))


def codec_constants(program: FrameProgram) -> list[tuple[str, object]]:
    """What a codec is besides its weights; whether it is being trained, as exporting has it, is no part of that."""
    plain = (int, float, str, bool, tuple, type(None))
    every = vars(program.codec).items()
    return sorted((name, value) for name, value in every if isinstance(value, plain) and name != "training")
