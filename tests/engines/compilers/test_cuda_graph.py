"""How a frame is recorded and replayed: on which streams, which need no GPU to be told apart."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from engines.compilers.cuda_graph import GraphedProgram
from engines.model import ModelError

_STREAMS = 32
"""Of a priority; PyTorch hands them out in turn."""


class Streams:
    """PyTorch's own, as far as a frame sees them."""

    def __init__(self) -> None:
        self.current: Any = SimpleNamespace(name="default")
        self.recorded_on: list[tuple[int, int]] = []
        self.replayed_on: list[tuple[int, int]] = []
        self._made = dict[int, int]()

    def stream(self, priority: int = 0) -> SimpleNamespace:
        self._made[priority] = self._made.get(priority, -1) + 1
        name = (priority, self._made[priority] % _STREAMS)
        return SimpleNamespace(name=name, wait_stream=lambda other: None, synchronize=lambda: None)

    @contextmanager
    def within(self, stream: SimpleNamespace) -> Iterator[None]:
        before, self.current = self.current, stream
        yield
        self.current = before

    @contextmanager
    def graph(self, graph: object, stream: SimpleNamespace, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        self.recorded_on.append(stream.name)
        with self.within(stream):
            yield

    def replay(self) -> None:
        self.replayed_on.append(self.current.name)


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> Streams:
    made, empty = Streams(), torch.empty
    fakes: dict[str, Callable[..., object]] = {
        "Stream": made.stream,
        "CUDAGraph": lambda: SimpleNamespace(replay=made.replay, pool=lambda: (0, 1)),
        "graph": made.graph,
        "stream": made.within,
        "current_stream": lambda: made.current,
        "default_stream": lambda: made.current,
        "memory_snapshot": lambda pool: [{"total_size": 2}, {"total_size": 3}],
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(torch, "empty", lambda *shape, pin_memory, dtype: empty(*shape, dtype=dtype))
    return made


def test_no_frame_is_enqueued_where_another_program_is_recorded(streams: Streams) -> None:
    def edit(pictures: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
        return pictures, others[0]

    example = (torch.zeros(1, 2, 2, 3, dtype=torch.uint8), *torch.zeros(4, 1))
    for _ in range(_STREAMS + 1):
        graphed = GraphedProgram(edit, example)
        graphed(*example)

    assert len(streams.recorded_on) == len(streams.replayed_on) == _STREAMS + 1
    assert set(streams.recorded_on).isdisjoint(streams.replayed_on)
    assert graphed.workspace_bytes == 5


def test_every_frame_has_a_picture_of_its_own(streams: Streams) -> None:
    example = (torch.zeros(1, 2, 2, 3, dtype=torch.uint8), *torch.zeros(4, 1))
    graphed = GraphedProgram(lambda pictures, *others: (pictures, others[0]), example)
    first, second = (graphed(torch.full_like(example[0], level), *example[1:])[0] for level in (3, 9))
    assert (int(first.max()), int(second.min())) == (3, 9)


def test_too_little_memory_is_told_though_the_recordings_own_end_fails_too(
    streams: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def graph(*_: object, **__: object) -> Iterator[None]:
        try:
            yield
        finally:
            raise RuntimeError("operation failed due to a previous error during capture")

    def edit(*_: Tensor) -> tuple[Tensor, Tensor]:
        raise torch.cuda.OutOfMemoryError("tried to allocate 20 GiB")

    monkeypatch.setattr(torch.cuda, "graph", graph)
    monkeypatch.setattr("engines.compilers.cuda_graph._WARM_UP_RUNS", 0)
    with pytest.raises(ModelError, match="the GPU has no memory left for this size and batch"):
        GraphedProgram(edit, tuple(torch.zeros(5, 1)))
