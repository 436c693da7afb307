"""Follows what the `control` channel says, by the same calls that REST makes."""

import time
from typing import TYPE_CHECKING

from server.asks import (
    BypassMessage,
    ClearMessage,
    ControlMessage,
    FreezeMessage,
    InstructionMessage,
    LayerMessage,
    PresetMessage,
    RecordMessage,
    RedoMessage,
    RemoveMessage,
    StopRecordingMessage,
    StrengthMessage,
    UndoMessage,
)
from server.engine import EditorUnavailableError
from server.messages import Ack, ControlErrorMessage, InstructionAck, Message, PingAck, RecordAck
from server.presets.store import PresetsUnavailableError
from server.session.errors import UnknownInstructionError
from server.session.refusals import REFUSALS, why_refused

if TYPE_CHECKING:
    from server.session.session import Session


async def follow(session: "Session", message: ControlMessage) -> Message:
    """Do what a message asks for; its answer."""
    try:
        return await _followed(session, message)
    except (EditorUnavailableError, PresetsUnavailableError) as error:
        return ControlErrorMessage(id=message.id, code="unavailable", detail=str(error))
    except REFUSALS as error:
        return ControlErrorMessage(id=message.id, code="refused", detail=why_refused(error))
    except UnknownInstructionError as error:
        return ControlErrorMessage(
            id=message.id, code="unknown_instruction", detail=str(error), nearest=error.nearest
        )
    except ValueError as error:
        return ControlErrorMessage(id=message.id, code="bad_field", detail=f"text: {error}")


async def _followed(session: "Session", message: ControlMessage) -> Message:
    edits = session.instructions
    match message:
        case InstructionMessage():
            taken = await edits.take(message)
            return InstructionAck(id=message.id, **taken.model_dump(exclude={"text"}))
        case StrengthMessage():
            edits.set_strength(message.value)
        case LayerMessage():
            edits.change(message.instruction_id, message)
        case RemoveMessage():
            edits.remove(message.instruction_id, message.transition_ms)
        case ClearMessage():
            await edits.replace((), message.transition_ms)
        case UndoMessage():
            edits.undo()
        case RedoMessage():
            edits.redo()
        case BypassMessage():
            edits.bypass(message.bypassed)
        case FreezeMessage():
            session.freeze(message.frozen)
        case PresetMessage():
            await session.apply_preset(message.preset_id, message.transition_ms)
        case RecordMessage():
            recording = await session.record(message.original)
            return RecordAck(id=message.id, recording_id=recording.id)
        case StopRecordingMessage():
            await session.recording.stop("stopped")
        case _:
            return PingAck(id=message.id, t=message.t, server_time_ms=time.time() * 1000.0)
    return Ack(id=message.id)
