"""What a session may answer instead of doing as it is asked."""


class AlreadyConnectedError(Exception):
    """The session has answered an offer before."""


class AlreadyRecordingError(Exception):
    """The session is being recorded already."""


class NoPictureError(Exception):
    """The session has no picture yet."""


class NotRecordingError(Exception):
    """The session is not being recorded."""


class SessionClosedError(Exception):
    """The session has ended."""
