"""When an instruction was first seen: a receipt for the first frame that carries it."""

from server.messages import ReceiptMessage
from server.session.frame import Frame
from server.session.instruction import Instruction


class Receipts:
    """Waits for the newest instruction's first frame; one that was replaced before it showed gets none."""

    def __init__(self) -> None:
        self._awaited: Instruction | None = None

    def expect(self, instruction: Instruction) -> None:
        """Wait for this instruction from now on."""
        self._awaited = instruction

    def left(self, frame: Frame, frame_index: int, out_rtp: int | None) -> ReceiptMessage | None:
        """A frame has left; the receipt if it is the awaited instruction's first.

        Args:
            frame: With its stamps.
            frame_index: How many frames left the session before it.
            out_rtp: The RTP timestamp it left with, where there is one.
        """
        awaited = self._awaited
        if awaited is None or frame.instruction_id != awaited.id or frame.sent_s is None:
            return None
        self._awaited = None
        return ReceiptMessage(
            instruction_id=awaited.id,
            text=awaited.conditioning.text,
            frame_index=frame_index,
            rtp_timestamp=out_rtp,
            frames_waited=frame_index - awaited.frames_sent_before,
            elapsed_ms=round(1000.0 * (frame.sent_s - awaited.arrived_s), 3),
        )
