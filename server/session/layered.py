"""A picture edited by several instructions: the editor once for each, every one with a memory of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from server.session.frame import Picture
from server.session.layer import AppliedLayer

if TYPE_CHECKING:
    from engines.editor import EditRequest, EditResult
    from engines.memory import EditState


class LayerEditor(Protocol):
    """The part of the editor that is needed here."""

    def open(self, seed: int = 0) -> "EditState":
        """The memory of a new stream."""
        ...

    def step(self, requests: Sequence["EditRequest"]) -> "list[EditResult]":
        """Edit one frame of each of several streams."""
        ...


@dataclass(eq=False)
class Seat:
    """One session's place at the editor: its streams' memories live here and die with it."""

    seed: int = 0
    _states: "dict[str, EditState]" = field(default_factory=dict, repr=False)
    _shape: tuple[int, ...] = ()

    @property
    def held_bytes(self) -> int:
        """Of latents and the like that the streams' memories hold, wherever they lie."""
        return sum(state.held_bytes for state in self._states.values())

    def forget(self) -> None:
        """Begin all streams anew at the next frame."""
        self._states = {}

    def states(
        self, editor: LayerEditor, shape: tuple[int, ...], layers: Sequence[AppliedLayer]
    ) -> "list[EditState]":
        """Each layer's memory for pictures of this shape; those of layers that are gone are let go.

        A camera that changes its size begins anew.
        """
        known = self._states if shape == self._shape else {}
        self._shape = shape
        self._states = {layer.id: known.get(layer.id) or editor.open(self.seed) for layer in layers}
        return list(self._states.values())


@dataclass(frozen=True, eq=False)
class LayeredEdit:
    """A picture and what it is to go through."""

    picture: Picture
    layers: tuple[AppliedLayer, ...]
    seat: Seat


@dataclass(frozen=True, eq=False)
class LayeredResult:
    """What became of it."""

    picture: Picture
    evaluations: int
    """Of the network, for all layers together."""
    drift: float | None
    """Of the layer that has drifted furthest; None where none is measured."""
    compiler: str | None
    """What ran the last layer."""
    guided: bool
    """Whether it takes the source's detail when it is enlarged."""


def edit_layers(editor: LayerEditor, edits: Sequence[LayeredEdit]) -> list[LayeredResult]:
    """Edit one picture of each of several sessions; what one layer makes of it is what the next one sees.

    First layers are edited together, then second ones, and so on.

    Raises:
        RuntimeError: The editor gave back another number or size of pictures.
    """
    from engines.editor import EditRequest, furthest
    from engines.upsampling import takes_detail

    pictures = [edit.picture for edit in edits]
    evaluations = [0] * len(edits)
    drifts: list[float | None] = [None] * len(edits)
    compilers: list[str | None] = [None] * len(edits)
    states = [edit.seat.states(editor, edit.picture.shape, edit.layers) for edit in edits]
    for depth in range(max((len(edit.layers) for edit in edits), default=0)):
        deep = [number for number, edit in enumerate(edits) if len(edit.layers) > depth]
        results = editor.step(
            [
                EditRequest(
                    pictures[number],
                    edits[number].layers[depth].conditioning,
                    states[number][depth],
                    edits[number].layers[depth].strength,
                    camera=edits[number].picture,
                    done=tuple(layer.conditioning.text for layer in edits[number].layers[:depth]),
                )
                for number in deep
            ]
        )
        if len(results) != len(deep):
            raise RuntimeError(f"{len(results)} edits for {len(deep)} frames")
        for number, result in zip(deep, results, strict=True):
            if result.picture.shape != pictures[number].shape:
                raise RuntimeError(f"{result.picture.shape} edited from {pictures[number].shape}")
            pictures[number] = result.picture
            evaluations[number] += result.evaluations
            compilers[number] = result.compiler
            drifts[number] = furthest(drifts[number], result.drift)
    return [
        LayeredResult(
            picture,
            spent,
            drift,
            compiler,
            guided=all(takes_detail(layer.conditioning.families) for layer in edit.layers),
        )
        for edit, picture, spent, drift, compiler in zip(
            edits, pictures, evaluations, drifts, compilers, strict=True
        )
    ]
