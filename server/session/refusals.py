"""Why a session does not do what it is asked, in one line for a person: the same over REST and on `control`."""

from server.presets.store import NameTakenError, NoSuchPresetError, TooManyPresetsError
from server.recording.quota import QuotaExceededError
from server.recording.store import NoSuchRecordingError
from server.session.errors import (
    AlreadyRecordingError,
    NoPictureError,
    NotRecordingError,
    SessionClosedError,
)
from server.session.stack import MAX_LAYERS, NoSuchLayerError, NothingToUndoError, StackFullError

_REASONS: dict[type[Exception], str] = {
    AlreadyRecordingError: "the session is being recorded already",
    NameTakenError: "there is a preset of this name already",
    NoPictureError: "the session has no picture yet",
    NoSuchLayerError: "there is no such instruction on the stack, or not any more",
    NoSuchPresetError: "there is no such preset, or not any more",
    NoSuchRecordingError: "there is no such recording, or not any more",
    NotRecordingError: "the session is not being recorded",
    NothingToUndoError: "there is no such change",
    QuotaExceededError: "recordings take all the room they may: delete some",
    SessionClosedError: "there is no such session, or it has ended",
    StackFullError: f"the stack holds {MAX_LAYERS} instructions, which is all it may",
    TooManyPresetsError: "there are as many presets as there may be",
}
REFUSALS: tuple[type[Exception], ...] = (*_REASONS, OSError)


def why_refused(error: Exception) -> str:
    """The line for one of `REFUSALS`."""
    if isinstance(error, OSError):
        return f"the recording cannot be written: {error.strerror}"
    return _REASONS[type(error)]
