"""The instructions a session's picture goes through, one after another, and the way back through their changes."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

from server.session.layer import Edits, Layer, Transition

MAX_LAYERS = 4
"""Each costs a run of the editor for every frame, and so does each that fades away: as many do at most."""

MAX_UNDO = 100

Place = Literal["alone", "top"]
"""A new instruction takes the place of all others, or is applied after them."""


class NoSuchLayerError(KeyError):
    """No instruction of this id is on the stack."""


class StackFullError(Exception):
    """There is no room for another instruction."""


class NothingToUndoError(Exception):
    """There is no change to take back, or to do again."""


class Stack:
    """An ordered list of layers; every change makes a new `Edits`, and nothing else ever changes.

    Args:
        clock: Monotonic seconds.
        on_change: Called after each change.
    """

    def __init__(self, clock: Callable[[], float], on_change: Callable[[], None]) -> None:
        self.edits = Edits()
        self._clock, self._on_change = clock, on_change
        self._undo: list[tuple[Layer, ...]] = []
        self._redo: list[tuple[Layer, ...]] = []
        self._dragged: str | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Those on the stack, the first applied first."""
        return tuple(layer for layer in self.edits.layers if not layer.leaving)

    @property
    def can_undo(self) -> bool:
        """Whether there is a change to take back."""
        return bool(self._undo)

    @property
    def can_redo(self) -> bool:
        """Whether a change was taken back that can be done again."""
        return bool(self._redo)

    def find(self, layer_id: str) -> Layer:
        """The layer of an id.

        Raises:
            NoSuchLayerError: There is none.
        """
        for layer in self.layers:
            if layer.id == layer_id:
                return layer
        raise NoSuchLayerError(layer_id)

    def put(self, layer: Layer, place: Place, transition_s: float = 0.0) -> None:
        """Add a layer on top of the others or in their place.

        Raises:
            StackFullError: There is no room on top.
        """
        if place == "alone":
            self.replace([layer], transition_s)
            return
        if len(self.layers) >= MAX_LAYERS:
            raise StackFullError
        self._note()
        self._show((*self._kept(), self._arriving(layer, transition_s)))

    def replace(self, layers: Sequence[Layer], transition_s: float = 0.0) -> None:
        """Put these layers in the place of all others.

        With a transition, one instruction that follows one other moves from its code to its own; several fade.

        Raises:
            StackFullError: They are too many.
        """
        if len(layers) > MAX_LAYERS:
            raise StackFullError
        self._note()
        if transition_s <= 0:
            self._show(tuple(layers))
            return
        now_s = self._clock()
        shown = [layer for layer in self.layers if layer.shows(now_s)]
        if len(shown) == 1 and len(layers) == 1 and layers[0].enabled:
            here = shown[0].applied(now_s)
            begun = Transition(now_s, transition_s, here.strength, here.conditioning)
            self._show((replace(layers[0], transition=begun),))
            return
        leaving = [layer.moved(now_s, transition_s, replace(layer, leaving=True)) for layer in shown]
        self._show((*leaving, *(self._arriving(layer, transition_s) for layer in layers)))

    def change(
        self,
        layer_id: str,
        *,
        strength: float | None = None,
        enabled: bool | None = None,
        position: int | None = None,
        transition_s: float = 0.0,
    ) -> None:
        """Show more or less of a layer, switch it, or move it to another position (0 is applied first).

        Raises:
            NoSuchLayerError: There is none of this id.
        """
        before = self.find(layer_id)
        after = replace(
            before,
            strength=before.strength if strength is None else strength,
            enabled=before.enabled if enabled is None else enabled,
        )
        # A slider sends many values; taking them back one by one would be no way back.
        drag = layer_id if enabled is None and position is None else None
        self._note(drag)
        after = before.moved(self._clock(), transition_s, after)
        layers = [after if layer.id == layer_id else layer for layer in self._kept()]
        if position is not None:
            layers.remove(after)
            # Counted without those that fade away, which are in no list that anyone sees.
            staying = [layer for layer in layers if not layer.leaving]
            layers.insert(layers.index(staying[position]) if position < len(staying) else len(layers), after)
        self._show(tuple(layers))

    def remove(self, layer_id: str, transition_s: float = 0.0) -> None:
        """Take a layer off the stack.

        Raises:
            NoSuchLayerError: There is none of this id.
        """
        gone = self.find(layer_id)
        self._note()
        fading = gone.moved(self._clock(), transition_s, replace(gone, leaving=True))
        layers = (fading if layer is gone else layer for layer in self._kept())
        self._show(_without_oldest_fades(layers))

    def undo(self) -> None:
        """Take back the last change.

        Raises:
            NothingToUndoError: There is none.
        """
        self._step(self._undo, self._redo)

    def redo(self) -> None:
        """Do the change again that was taken back last.

        Raises:
            NothingToUndoError: There is none, or another change came after it.
        """
        self._step(self._redo, self._undo)

    def bypass(self, bypassed: bool) -> None:
        """Show the original, or the edit again; no change to take back."""
        self._show(self.edits.layers, bypassed=bypassed)

    def freeze(self, frozen: bool) -> None:
        """Hold the picture, or go on; no change to take back."""
        self._show(self.edits.layers, frozen=frozen)

    def _kept(self) -> list[Layer]:
        now_s = self._clock()
        return [layer for layer in self.edits.layers if not layer.leaving or layer.shows(now_s)]

    def _arriving(self, layer: Layer, transition_s: float) -> Layer:
        if transition_s <= 0 or not layer.enabled:
            return layer
        return replace(layer, transition=Transition(self._clock(), transition_s, 0.0))

    def _note(self, drag: str | None = None) -> None:
        """Remember what the next change can be taken back to."""
        if drag is None or drag != self._dragged:
            self._undo.append(tuple(layer.settled() for layer in self.layers))
            del self._undo[:-MAX_UNDO]
        self._dragged = drag
        self._redo.clear()

    def _step(self, come_from: list[tuple[Layer, ...]], leave_to: list[tuple[Layer, ...]]) -> None:
        if not come_from:
            raise NothingToUndoError
        leave_to.append(tuple(layer.settled() for layer in self.layers))
        self._dragged = None
        self._show(come_from.pop())

    def _show(
        self, layers: tuple[Layer, ...], bypassed: bool | None = None, frozen: bool | None = None
    ) -> None:
        before = self.edits
        self.edits = Edits(
            revision=before.revision + 1,
            layers=layers,
            bypassed=before.bypassed if bypassed is None else bypassed,
            frozen=before.frozen if frozen is None else frozen,
        )
        self._on_change()


def _without_oldest_fades(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Of those that fade away only the `MAX_LAYERS` that began last; one that takes no time is gone at once."""
    layers = [layer for layer in layers if not layer.leaving or layer.transition is not None]
    began_s = {layer.id: layer.transition.began_s for layer in layers if layer.leaving and layer.transition}
    fading = set(sorted(began_s, key=began_s.__getitem__)[-MAX_LAYERS:])
    return tuple(layer for layer in layers if not layer.leaving or layer.id in fading)
