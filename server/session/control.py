"""Follows what the `control` channel says, by the same calls that REST makes."""

import time
from typing import TYPE_CHECKING

from server.engine import EditorUnavailableError
from server.messages import (
    Ack,
    ControlErrorMessage,
    ControlMessage,
    InstructionAck,
    InstructionMessage,
    Message,
    PauseMessage,
    PingAck,
    StrengthMessage,
)

if TYPE_CHECKING:
    from server.session.session import Session


async def follow(session: "Session", message: ControlMessage) -> Message:
    """Do what a message asks for; its answer."""
    match message:
        case InstructionMessage():
            try:
                taken = await session.instructions.take(message.text, message.strength, message.transition_ms)
            except ValueError as error:
                return ControlErrorMessage(id=message.id, code="bad_field", detail=f"text: {error}")
            except EditorUnavailableError as error:
                return ControlErrorMessage(id=message.id, code="unavailable", detail=str(error))
            return InstructionAck(id=message.id, **taken.model_dump(exclude={"text"}))
        case StrengthMessage():
            session.instructions.set_strength(message.value)
        case PauseMessage():
            session.set_paused(message.paused)
        case _:
            return PingAck(id=message.id, t=message.t, server_time_ms=time.time() * 1000.0)
    return Ack(id=message.id)
