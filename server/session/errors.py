"""What a session may answer instead of doing as it is asked."""


class AlreadyConnectedError(Exception):
    """The session has answered an offer before."""


class AlreadyRecordingError(Exception):
    """The session is being recorded already."""


class NoPictureError(Exception):
    """The session has no picture yet."""


class NotRecordingError(Exception):
    """The session is not being recorded."""


class UnknownInstructionError(Exception):
    """The model was taught nothing like the instruction, which changes nothing.

    Args:
        text: Of the instruction.
        nearest: What it does know, the nearest first.
    """

    def __init__(self, text: str, nearest: tuple[str, ...]) -> None:
        super().__init__(f"“{text}” is unlike anything the model was taught, so it changes nothing")
        self.nearest = nearest


class SessionClosedError(Exception):
    """The session has ended."""
