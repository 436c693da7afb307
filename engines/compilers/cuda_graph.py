"""CUDA graphs: a frame recorded once and replayed, so that launching thousands of kernels costs no processor time."""

from collections.abc import Callable

import torch
from torch import Tensor

from engines.model import ModelError

FrameFunction = Callable[..., tuple[Tensor, Tensor]]

_WARM_UP_RUNS = 3
"""Libraries choose their algorithms and allocate their workspaces in the first runs, which no recording may hold."""


class GraphedProgram:
    """A compiled program of one shape on a GPU, recorded as a CUDA graph.

    Args:
        run: Edits a frame of tensors that are on the device; the same kernels at every call.
        example: Inputs of the shape, on the device and in the types that ``run`` takes.

    Attributes:
        frame: ``run``.
        workspace_bytes: What the recording holds.

    Raises:
        ModelError: The device has no memory left for it.
    """

    def __init__(self, run: FrameFunction, example: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(value.clone() for value in example)
        self.frame = run
        self._graph = torch.cuda.CUDAGraph()
        # PyTorch hands out 32 streams of a priority in turn. What a frame enqueued on the one that another program is
        # being recorded on would become part of that recording, so frames have streams of another priority.
        self._stream = torch.cuda.Stream(priority=-1)  # type: ignore[no-untyped-call]
        recording = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        recording.wait_stream(torch.cuda.current_stream())
        try:
            with torch.inference_mode(), torch.cuda.stream(recording):
                for _ in range(_WARM_UP_RUNS):
                    run(*self._inputs)
            recording.synchronize()
            # Other threads go on with other streams: a build must not disturb the frames.
            with (
                torch.inference_mode(),
                torch.cuda.graph(self._graph, stream=recording, capture_error_mode="thread_local"),
            ):
                self._edited, self._latent = run(*self._inputs)
        except RuntimeError as error:
            # A recording that is broken off fails at its end as well, in the place of what broke it off.
            if not any(isinstance(each, torch.cuda.OutOfMemoryError) for each in (error, error.__context__)):
                raise
            raise ModelError("the GPU has no memory left for this size and batch") from error
        # Its own pool's: what all of PyTorch has reserved changes with whatever else goes on meanwhile.
        segments = torch.cuda.memory_snapshot(self._graph.pool())  # type: ignore[no-untyped-call]
        self.workspace_bytes = sum(segment["total_size"] for segment in segments)

    @torch.inference_mode()
    def __call__(
        self, pictures: Tensor, memory: Tensor, noise: Tensor, code: Tensor, strength: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Edit one frame of each stream; pictures on the CPU come back on the CPU, the latent stays on the device."""
        # Page-locked memory that nobody keeps any more is given again, which costs less than a copy out of one place.
        shown = torch.empty(self._edited.shape, dtype=torch.uint8, pin_memory=True)
        with torch.cuda.stream(self._stream):
            self._stream.wait_stream(torch.cuda.default_stream())
            for kept, given in zip(self._inputs, (pictures, memory, noise, code, strength), strict=True):
                kept.copy_(given, non_blocking=True)
            self._graph.replay()
            shown.copy_(self._edited, non_blocking=True)
            # The next replay overwrites it, and a stream's memory outlives many.
            latent = self._latent.clone()
        self._stream.synchronize()
        return shown, latent
