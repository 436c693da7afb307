"""The causal editor: one frame of each stream in, the edited frame out, the stream's memory carried along."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engines.codecs import PatchCodec
from engines.compilers.choose import choose_compiler, eager_compiler, home_of, usual_compiler
from engines.compilers.interface import Compiler, CompilerName, Footprint, FrameShape, Precision
from engines.compilers.programs import Build, Programs
from engines.compilers.quantisation import denoiser_folder, load_ranges
from engines.compilers.store import EngineStore, default_folder
from engines.conditioning import Conditioning, InstructionEncoder
from engines.device_codes import DeviceCodes
from engines.edit_size import edit_size
from engines.memory import EditState, is_key_frame, magnitudes
from engines.model import ModelDescription, ModelError, ModelParts, find_model, load_parts
from engines.program import FrameProgram, frame_program
from engines.staging import Staging


@dataclass(frozen=True, eq=False)
class EditRequest:
    """One frame to edit.

    Attributes:
        picture: Source frame, (H, W, 3) RGB uint8; H and W multiples of ``Editor.size_multiple``.
        conditioning: The encoded instruction.
        state: The stream's memory, brought up to date by the step.
        strength: 0 shows the source, 1 the edit.
        camera: What ``picture`` was before it was edited, same shape; None where it was not.
        done: The instructions it has been through since.
    """

    picture: NDArray[np.uint8]
    conditioning: Conditioning
    state: EditState
    strength: float = 1.0
    camera: NDArray[np.uint8] | None = None
    done: tuple[str, ...] = ()

    def passed(self, edited: NDArray[np.uint8]) -> "EditRequest":
        """The same asked of what the first of two joined edits has made of it."""
        camera = self.picture if self.camera is None else self.camera
        return replace(self, picture=edited, camera=camera)


@dataclass(frozen=True, eq=False)
class EditResult:
    """One edited frame.

    Attributes:
        picture: (H, W, 3) RGB uint8.
        key_frame: Whether this output became the memory.
        evaluations: Network evaluations spent on it.
        drift: How far the edit has wandered since the memory was last emptied, :meth:`DriftMeter.measure`; None over
            the first frames.
        compiler: What ran it: the editor's own, or "eager" while that is still compiling; None where nothing says.
    """

    picture: NDArray[np.uint8]
    key_frame: bool
    evaluations: int
    drift: float | None = None
    compiler: CompilerName | None = None


class Editor:
    """Edits frames of any number of streams; holds no stream's state itself."""

    def __init__(self, parts: ModelParts, program: FrameProgram, compiler: Compiler, device: str) -> None:
        self.description = ModelDescription(
            name=parts.name,
            version=parts.version,
            families=parts.families,
            steps=len(program.sigmas) - 1,
            evaluations=program.evaluations,
            compiler=compiler.name,
            precision=compiler.precision,
            device=device,
            size_multiple=parts.size_multiple,
            short_side=parts.short_side,
        )
        self.size_multiple = parts.size_multiple
        self._encoder: InstructionEncoder = parts.instruction_encoder
        self._codec, self._interval = parts.codec, parts.key_frame_interval
        self._largest_batch = compiler.batches[-1]
        self._codes = DeviceCodes(torch.device(device))
        self._staging = Staging(torch.device(device))
        self._programs = Programs(
            compiler, lambda: eager_compiler(program, torch.device(device), stands_in=True)
        )

    @property
    def build(self) -> Build | None:
        """What is being compiled behind the frames, or failed to be; None where all is well."""
        return self._programs.build

    @property
    def footprint(self) -> Footprint:
        """Memory of the device that the model holds, without its streams."""
        return self._programs.footprint()

    def open(self, seed: int = 0) -> EditState:
        """The empty memory of a new stream."""
        return EditState(seed)

    def encode(self, text: str) -> Conditioning:
        """Encode an instruction.

        Raises:
            InstructionError: The text is empty or too long.
        """
        return self._encoder.encode(text)

    def prepare(self, height: int, width: int, batch: int = 1) -> None:
        """Compile for a size ahead of its first frame, waiting for it.

        Without it the editor's first size is compiled when its first frame comes, and a later size behind its
        frames, which are edited by PyTorch until then (``EditResult.compiler`` tells).

        Raises:
            ValueError: The size is not a multiple of ``size_multiple``.
            ModelError: It cannot be compiled.
        """
        self._programs.prepare(self._shape(batch, height, width))

    def _shape(self, batch: int, height: int, width: int) -> FrameShape:
        if height % self.size_multiple or width % self.size_multiple or min(height, width, batch) < 1:
            raise ValueError(f"{width}x{height} is not a multiple of {self.size_multiple}")
        return FrameShape(batch, height, width)

    def step(self, requests: Sequence[EditRequest]) -> list[EditResult]:
        """Edit one frame of each of several streams; frames of one size are edited together where that pays.

        Blocks for as long as the network takes: never call it on an event loop, and from one thread at a time.

        Raises:
            ValueError: A picture is not (H, W, 3) uint8 of a size the model takes.
            ModelError: The size cannot be compiled, or the network gives NaN with nothing remembered to blame.
        """
        results = self._pass(requests, 0)
        joined = [index for index, request in enumerate(requests) if len(request.conditioning.passes) > 1]
        if joined:
            between = [requests[index].passed(results[index].picture) for index in joined]
            for index, last in zip(joined, self._pass(between, 1), strict=True):
                first = results[index]
                results[index] = replace(
                    last,
                    picture=_mixed(requests[index], last.picture),
                    evaluations=first.evaluations + last.evaluations,
                    drift=furthest(first.drift, last.drift),
                )
        return results

    def _pass(self, requests: Sequence[EditRequest], number: int) -> list[EditResult]:
        """Make the edit of one pass for each request; before the last pass and after it nothing is mixed in."""
        requests = [
            request
            if len(request.conditioning.passes) == 1
            else replace(
                request,
                conditioning=request.conditioning.passes[number],
                state=request.state.of_pass(number),
                strength=1.0,
            )
            for request in requests
        ]
        results: dict[int, EditResult] = {}
        order = sorted(range(len(requests)), key=lambda i: requests[i].picture.shape)
        for _, same_size in groupby(order, key=lambda i: requests[i].picture.shape):
            picked = list(same_size)
            for first in range(0, len(picked), self._largest_batch):
                batch = picked[first : first + self._largest_batch]
                results.update(zip(batch, self._step_together([requests[i] for i in batch]), strict=True))
        return [results[i] for i in range(len(requests))]

    def _step_together(self, requests: Sequence[EditRequest]) -> list[EditResult]:
        shape = requests[0].picture.shape
        if len(shape) != 3 or shape[2] != 3 or any(request.picture.dtype != np.uint8 for request in requests):
            raise ValueError(f"a picture must be (H, W, 3) uint8, not {shape} {requests[0].picture.dtype}")
        height, width = shape[:2]
        program, compiler = self._programs.now(self._shape(len(requests), height, width))
        scale = self._codec.downscale
        latent_shape = (self._codec.channels, height // scale, width // scale)
        for request in requests:
            asked = request.conditioning
            camera = request.picture if request.camera is None else request.camera
            # The families too: of joined edits, each pass has the same text, and so has a transition to both.
            request.state.arrive(camera, (*request.done, asked.text, *asked.families), latent_shape)
            drift = asked.drift
            if drift is not None and isinstance(self._codec, PatchCodec):
                request.state.move_noise(drift, self._codec)
        states = [request.state for request in requests]
        edited, latents = program(
            self._staging.together([request.picture for request in requests]),
            _batch([_memory(state, latent_shape) for state in states]),
            _batch([_noise(state) for state in states]),
            _batch([self._codes.there(request.conditioning.code) for request in requests]),
            torch.tensor([request.strength for request in requests]),
        )
        sizes = self._magnitudes(states, latents)
        for state, size in zip(states, sizes, strict=True):
            if state.memory is None and not math.isfinite(size):
                raise ModelError(_NO_NUMBERS)
        key_frames = [
            state.remember(latent, self._interval, size)
            for state, latent, size in zip(states, latents, sizes, strict=True)
        ]
        return [
            EditResult(
                picture,
                key_frame,
                self.description.evaluations,
                request.state.drift.measure(request.picture, picture, request.strength),
                compiler.name,
            )
            for request, picture, key_frame in zip(requests, edited.numpy(), key_frames, strict=True)
        ]

    def _magnitudes(self, states: Sequence[EditState], latents: Tensor) -> list[float]:
        """Of the latents, if any of them has to be looked at."""
        if any(
            state.memory is None or is_key_frame(state.frames_since_anchor, self._interval)
            for state in states
        ):
            return magnitudes(latents)
        return [0.0] * len(states)


_NO_NUMBERS = (
    "the model answers with no numbers (NaN or infinity) to a picture alone: its weights are broken, or their values"
    " do not fit into float16, and --precision bfloat16 or float32 (AFTERIMAGE_PRECISION) helps"
)


def furthest(*drifts: float | None) -> float | None:
    """The largest of the drifts that are known; None where none is."""
    return max((drift for drift in drifts if drift is not None), default=None)


def _mixed(request: EditRequest, edited: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The source with so much of the edit as the request's strength says."""
    if request.strength == 1.0:
        return edited
    source = request.picture.astype(np.float32)
    mixed = source + request.strength * (edited.astype(np.float32) - source)
    return np.asarray(mixed.round(), np.uint8)


def _batch(tensors: list[Tensor]) -> Tensor:
    # A single latent is not copied: a megabyte for every frame.
    if len(tensors) == 1:
        return tensors[0][None]
    # A stream's first memory is made on the CPU, its later ones where the model runs.
    device = next((each.device for each in tensors if each.device.type != "cpu"), tensors[0].device)
    return torch.stack([each.to(device, tensors[0].dtype) for each in tensors])


def _memory(state: EditState, latent_shape: tuple[int, int, int]) -> Tensor:
    return torch.zeros(latent_shape) if state.memory is None else state.memory


def _noise(state: EditState) -> Tensor:
    if state.noise is None:
        raise ValueError("the stream's noise is drawn when its first frame arrives")
    return state.noise


def load_editor(
    model: str | Path = "rfdm-tiny",
    *,
    compiler: CompilerName | Literal["auto"] = "auto",
    device: str = "auto",
    steps: int | None = None,
    precision: Precision | Literal["auto"] = "auto",
    engines: Path | None = None,
    cameras: Sequence[tuple[int, int]] = (),
    short_side: int | None = None,
) -> Editor:
    """Load a model and make it ready to edit.

    Args:
        model: Name of an installed model, a model folder, or an id on the Hugging Face hub.
        compiler: What runs it; "auto" takes the fastest measured for the device.
        device: "cpu", "cuda" or "auto".
        steps: Sampler steps for a frame; the model's own where it is None.
        precision: What it computes in; "auto" takes the compiler's usual one for the device.
        engines: Folder of compiled engines, those of ``afterimage compile`` among them; the user's cache if None.
        cameras: (width, height) of pictures to come: one TensorRT engine then runs all their sizes, where each size
            would hold the weights again.
        short_side: At which they will be edited, in pixels; the model's own where it is None.

    Raises:
        ModelError: The model, compiler or device cannot be used; one line says why.
    """
    store = _engines_in(engines)
    chosen_device = choose_device(device)
    # Shapes stay as they are: the quickest of cuDNN's algorithms is found once for each.
    torch.backends.cudnn.benchmark = chosen_device.type == "cuda"
    name = usual_compiler(chosen_device) if compiler == "auto" else compiler
    parts = load_parts(model, *home_of(name, precision, chosen_device), runs_on=chosen_device)
    try:
        program = frame_program(parts, steps)
    except ValueError as error:
        raise ModelError(f"{parts.name}: {error}") from error
    chosen = choose_compiler(
        name,
        program,
        chosen_device,
        lambda: load_ranges(denoiser_folder(find_model(model))),
        store,
        precision=precision,
        sizes=served_sizes(parts, cameras, short_side),
    )
    return Editor(parts, program, chosen, str(chosen_device))


def _engines_in(folder: Path | None) -> EngineStore:
    if folder is None:
        return EngineStore(default_folder())
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"{folder} is a file, not a folder of engines")
    return EngineStore(folder, told_at=logging.WARNING)


def served_sizes(
    parts: ModelParts, cameras: Sequence[tuple[int, int]], short_side: int | None = None
) -> tuple[tuple[int, int], ...]:
    """(height, width) that pictures of some cameras are edited at by a model, each once."""
    sizes = (edit_size(*camera, short_side or parts.short_side, parts.size_multiple) for camera in cameras)
    return tuple(dict.fromkeys((height, width) for width, height in sizes))


def choose_device(device: str) -> torch.device:
    """The device of a setting; "auto" is the NVIDIA GPU where there is one.

    Raises:
        ModelError: There is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device not in ("cpu", "cuda"):
        raise ModelError(f"no device {device!r}: cpu, cuda or auto")
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("device cuda was asked for, but PyTorch sees no NVIDIA GPU")
    return torch.device(device)
