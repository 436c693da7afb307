"""When an instruction was first seen: a receipt for the first frame that carries it."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from server.messages import ReceiptMessage
from server.session.frame import Frame


@dataclass(frozen=True)
class Awaited:
    """An instruction whose first frame has not left yet."""

    instruction_id: str
    text: str
    arrived_s: float
    frames_sent_before: int
    """Frames that had left the session when it arrived."""


class Receipts:
    """Waits for instructions' first frames; one that was taken back before it showed gets none."""

    def __init__(self) -> None:
        self._awaited: dict[str, Awaited] = {}

    def expect(self, instruction: Awaited) -> None:
        """Wait for this instruction from now on."""
        self._awaited[instruction.instruction_id] = instruction

    def count_from(self, instruction_id: str, arrived_s: float, frames_sent_before: int) -> None:
        """Count the time to this instruction's first frame from now on, as it could not show before."""
        if instruction_id in self._awaited:
            self._awaited[instruction_id] = replace(
                self._awaited[instruction_id], arrived_s=arrived_s, frames_sent_before=frames_sent_before
            )

    def keep(self, instruction_ids: Collection[str]) -> None:
        """Wait no longer for any but these."""
        if self._awaited:
            self._awaited = {name: each for name, each in self._awaited.items() if name in instruction_ids}

    def left(self, frame: Frame, frame_index: int, out_rtp: int | None) -> tuple[ReceiptMessage, ...]:
        """A frame has left; a receipt for each instruction whose first it is.

        Args:
            frame: With its stamps.
            frame_index: How many frames left the session before it.
            out_rtp: The RTP timestamp it left with, where there is one.
        """
        if not self._awaited or frame.sent_s is None:
            return ()
        first = [self._awaited.pop(name) for name in frame.instruction_ids if name in self._awaited]
        return tuple(
            ReceiptMessage(
                instruction_id=each.instruction_id,
                text=each.text,
                frame_index=frame_index,
                rtp_timestamp=out_rtp,
                frames_waited=frame_index - each.frames_sent_before,
                elapsed_ms=round(1000.0 * (frame.sent_s - each.arrived_s), 3),
            )
            for each in first
        )
