"""What a session is told to do with its picture, from the words to the first frame that carries them."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from server.asks import InstructionFields, LayerChangeFields, LayerFields
from server.engine import EditorUnavailableError, Engine
from server.half_known import done_and_left_out
from server.messages import EditsMessage, EditsSummary, InstructionTaken, LayerSummary, WarningMessage
from server.session.errors import UnknownInstructionError
from server.session.layer import Layer
from server.session.receipts import Awaited, Receipts
from server.session.stack import Stack
from server.session.worker import Worker
from server.telemetry import Telemetry

if TYPE_CHECKING:
    from engines.conditioning import Conditioning

Say = Callable[[EditsMessage | WarningMessage], None]


class Instructions:
    """Has instructions understood, in the order they came, and keeps the stack that the worker follows.

    REST and the `control` channel call the same methods.

    Args:
        engine: Understands them.
        worker: Follows them.
        receipts: Wait for their first frames.
        telemetry: Knows how many frames have left.
        say: Told every change, and what a person should read.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        engine: Engine,
        worker: Worker,
        receipts: Receipts,
        telemetry: Telemetry,
        say: Say,
        clock: Callable[[], float],
    ) -> None:
        self._engine, self._worker, self._receipts = engine, worker, receipts
        self._telemetry, self._say, self._clock = telemetry, say, clock
        self._stack = Stack(clock, self._take_change)
        self._order = asyncio.Lock()
        self._shown: frozenset[str] = frozenset()

    @property
    def summary(self) -> EditsSummary:
        """The stack as of now."""
        return EditsSummary(
            layers=tuple(
                LayerSummary(
                    **_taken(layer).model_dump(),
                    strength=layer.strength,
                    enabled=layer.enabled,
                )
                for layer in self._stack.layers
            ),
            can_undo=self._stack.can_undo,
            can_redo=self._stack.can_redo,
            bypassed=self._stack.edits.bypassed,
            frozen=self._stack.edits.frozen,
        )

    @property
    def topmost(self) -> Layer | None:
        """The instruction that is applied last."""
        return self._stack.layers[-1] if self._stack.layers else None

    @property
    def newest(self) -> InstructionTaken | None:
        """The instruction that is applied last, as it was taken."""
        return None if self.topmost is None else _taken(self.topmost)

    async def take(self, asked: InstructionFields) -> InstructionTaken:
        """Take a new instruction; a receipt follows with the first frame that carries it.

        Raises:
            ValueError: The text cannot be an instruction.
            UnknownInstructionError: The model was taught nothing like it: what showed goes on.
            EditorUnavailableError: The model could not be loaded.
            StackFullError: There is no room on top.
        """

        def put(layers: Sequence[Layer]) -> None:
            conditioning = layers[0].conditioning
            if _is_unknown(conditioning):
                raise UnknownInstructionError(conditioning.text, conditioning.nearest)
            self._stack.put(layers[0], asked.place, asked.transition_ms / 1000.0)

        return (await self._understand([LayerFields(text=asked.text, strength=asked.strength)], put))[0]

    async def take_when_ready(self, text: str) -> None:
        """Take an instruction as soon as the model is loaded; a warning says why it could not be."""
        try:
            await self.take(InstructionFields(text=text))
        except UnknownInstructionError as error:
            self._say(_warning(error))
        except (ValueError, EditorUnavailableError) as error:
            self._say(WarningMessage(code="instruction_failed", detail=str(error)))

    async def replace(self, asked: Sequence[LayerFields], transition_ms: float = 0.0) -> None:
        """Put these instructions in the place of all others, of those that wait to be understood as well.

        Raises:
            ValueError: A text cannot be an instruction.
            EditorUnavailableError: The model could not be loaded.
            StackFullError: They are too many.
        """
        await self._understand(asked, lambda layers: self._stack.replace(layers, transition_ms / 1000.0))

    def change(self, instruction_id: str, asked: LayerChangeFields) -> None:
        """Change how much of an instruction shows, whether it does, and where it stands.

        Raises:
            NoSuchLayerError: It is not on the stack.
        """
        self._stack.change(
            instruction_id,
            strength=asked.strength,
            enabled=asked.enabled,
            position=asked.position,
            transition_s=asked.transition_ms / 1000.0,
        )

    def set_strength(self, strength: float) -> None:
        """Show more or less of the topmost instruction; nothing happens where there is none."""
        if self.topmost is not None:
            self._stack.change(self.topmost.id, strength=strength)

    def remove(self, instruction_id: str, transition_ms: float = 0.0) -> None:
        """Take an instruction off the stack.

        Raises:
            NoSuchLayerError: It is not on it.
        """
        self._stack.remove(instruction_id, transition_ms / 1000.0)

    def undo(self) -> None:
        """Take back the last change of the stack.

        Raises:
            NothingToUndoError: There is none.
        """
        self._stack.undo()

    def redo(self) -> None:
        """Do the change again that was taken back last.

        Raises:
            NothingToUndoError: There is none.
        """
        self._stack.redo()

    def bypass(self, bypassed: bool) -> None:
        """Show the original, or the edit again."""
        if bypassed != self._stack.edits.bypassed:
            self._stack.bypass(bypassed)

    def freeze(self, frozen: bool) -> None:
        """Hold the picture, or go on."""
        if frozen != self._stack.edits.frozen:
            self._stack.freeze(frozen)

    async def _understand(
        self, asked: Sequence[LayerFields], put: Callable[[Sequence[Layer]], None]
    ) -> list[InstructionTaken]:
        arrived_s, sent_before = self._clock(), self._telemetry.sent
        self._worker.instruction_waits = True
        try:
            # In the order they came, however long each takes to be understood.
            async with self._order:
                understood = [await self._engine.encode(each.text) for each in asked]
                layers = [
                    Layer(secrets.token_urlsafe(9), conditioning, each.strength, each.enabled)
                    for each, conditioning in zip(asked, understood, strict=True)
                ]
                put(layers)
                for layer in layers:
                    self._receipts.expect(Awaited(layer.id, layer.conditioning.text, arrived_s, sent_before))
        finally:
            self._worker.instruction_waits = False
        for conditioning in understood:
            if _is_unknown(conditioning):
                self._say(_warning(UnknownInstructionError(conditioning.text, conditioning.nearest)))
            elif not conditioning.known:
                done, left_out = done_and_left_out(conditioning, self._engine.description)
                self._say(_half_known(conditioning, done, left_out))
        return [_taken(layer) for layer in layers]

    def _take_change(self) -> None:
        edits = self._stack.edits
        self._worker.follow(edits)
        self._receipts.keep({layer.id for layer in self._stack.layers})
        # What is switched off, or behind the original or a held picture, waits for a person and not for the editor.
        may_show = not (edits.bypassed or edits.frozen)
        shown = frozenset(layer.id for layer in self._stack.layers if layer.enabled and may_show)
        for instruction_id in shown - self._shown:
            self._receipts.count_from(instruction_id, self._clock(), self._telemetry.sent)
        self._shown = shown
        self._say(EditsMessage(**dict(self.summary)))


def _taken(layer: Layer) -> InstructionTaken:
    conditioning = layer.conditioning
    return InstructionTaken(
        instruction_id=layer.id,
        text=conditioning.text,
        family=conditioning.family,
        edits=conditioning.families,
        known=conditioning.known,
        confidence=conditioning.confidence,
        nearest=conditioning.nearest,
    )


def _is_unknown(conditioning: "Conditioning") -> bool:
    """Whether nothing would be done at all; of what is half known, half is."""
    return not conditioning.known and not conditioning.edits


def _warning(unknown: UnknownInstructionError) -> WarningMessage:
    return WarningMessage(code="unknown_instruction", detail=f"{unknown}.", nearest=unknown.nearest)


def _half_known(conditioning: "Conditioning", done: str, left_out: str) -> WarningMessage:
    rest = f"{left_out} cannot be done beside it." if left_out else "The rest is unlike anything taught."
    return WarningMessage(
        code="half_known_instruction",
        detail=f"Of “{conditioning.text}” only this is done: {done}. {rest}",
        nearest=conditioning.nearest,
    )
