"""What a session is told to do with its picture, from the words to the first frame that carries them."""

import asyncio
import secrets
from collections.abc import Callable

from server.engine import EditorUnavailableError, Engine
from server.messages import InstructionTaken, WarningMessage
from server.session.instruction import Instruction
from server.session.receipts import Receipts
from server.session.worker import Worker
from server.telemetry import Telemetry


class Instructions:
    """Has instructions understood, in the order they came, and gives them to the worker.

    Args:
        engine: Understands them.
        worker: Follows them.
        receipts: Wait for their first frames.
        telemetry: Knows how many frames have left.
        warn: Told what a person should read.
        clock: Monotonic seconds.

    Attributes:
        newest: As it was taken; None before the first.
    """

    def __init__(
        self,
        engine: Engine,
        worker: Worker,
        receipts: Receipts,
        telemetry: Telemetry,
        warn: Callable[[WarningMessage], None],
        clock: Callable[[], float],
    ) -> None:
        self.newest: InstructionTaken | None = None
        self._engine, self._worker, self._receipts = engine, worker, receipts
        self._telemetry, self._warn, self._clock = telemetry, warn, clock
        self._order = asyncio.Lock()

    @property
    def strength(self) -> float | None:
        """How much of the edit shows; None without an instruction."""
        return None if self._worker.instruction is None else self._worker.instruction.strength

    async def take(self, text: str, strength: float = 1.0, transition_ms: float = 0.0) -> InstructionTaken:
        """Take a new instruction; a receipt follows with the first frame that carries it.

        Raises:
            ValueError: The text cannot be an instruction.
            EditorUnavailableError: The model could not be loaded.
        """
        arrived_s, sent_before = self._clock(), self._telemetry.sent
        self._worker.instruction_waits = True
        try:
            # In the order they came, however long each takes to be understood.
            async with self._order:
                conditioning = await self._engine.encode(text)
                before = self._worker.instruction
                instruction = Instruction(
                    id=secrets.token_urlsafe(9),
                    conditioning=conditioning,
                    strength=strength,
                    arrived_s=arrived_s,
                    frames_sent_before=sent_before,
                    understood_s=self._clock(),
                    transition_s=transition_ms / 1000.0,
                    previous=before.at(self._clock()) if before is not None and transition_ms > 0 else None,
                )
                self._worker.instruction = instruction
                self._receipts.expect(instruction)
        finally:
            self._worker.instruction_waits = False
        taken = self.newest = InstructionTaken(
            instruction_id=instruction.id,
            text=conditioning.text,
            family=conditioning.family,
            known=conditioning.known,
            confidence=conditioning.confidence,
            nearest=conditioning.nearest,
        )
        if not conditioning.known:
            self._warn(
                WarningMessage(
                    code="unknown_instruction",
                    detail=f"“{conditioning.text}” is unlike anything the model was taught.",
                    nearest=conditioning.nearest,
                )
            )
        return taken

    async def take_when_ready(self, text: str) -> None:
        """Take an instruction as soon as the model is loaded; a warning says why it could not be."""
        try:
            await self.take(text)
        except (ValueError, EditorUnavailableError) as error:
            self._warn(WarningMessage(code="instruction_failed", detail=str(error)))

    def set_strength(self, strength: float) -> None:
        """Show more or less of the edit; nothing happens without an instruction."""
        if self._worker.instruction is not None:
            self._worker.instruction = self._worker.instruction.with_strength(strength)
