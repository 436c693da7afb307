"""What a session answers instead of doing as it is asked, as problems over HTTP."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from server.engine import EditorUnavailableError
from server.presets.store import NoSuchPresetError, PresetsUnavailableError
from server.problems import Problem
from server.recording.quota import QuotaExceededError
from server.recording.store import NoSuchRecordingError
from server.routes.signalling import RETRY_AFTER_S
from server.session.errors import SessionClosedError, UnknownInstructionError
from server.session.refusals import REFUSALS, why_refused
from server.session.stack import NoSuchLayerError

_MISSING = (NoSuchLayerError, NoSuchPresetError, NoSuchRecordingError, SessionClosedError)


@contextmanager
def refused() -> Iterator[None]:
    """Translate a refusal: 404 for what is not there, 409 for what does not fit, 422, 503 and 507."""
    try:
        yield
    except (EditorUnavailableError, PresetsUnavailableError) as error:
        raise Problem(503, str(error), {"Retry-After": str(RETRY_AFTER_S)}) from error
    except REFUSALS as error:
        raise Problem(_status(error), why_refused(error)) from error
    except UnknownInstructionError as error:
        raise Problem(422, str(error), nearest=error.nearest) from error
    except ValueError as error:
        raise Problem(422, f"text: {error}") from error


def _status(error: Exception) -> int:
    if isinstance(error, _MISSING):
        return 404
    if isinstance(error, QuotaExceededError):
        return 507
    if isinstance(error, OSError):
        return 507 if error.errno in (errno.ENOSPC, errno.EDQUOT) else 500
    return 409
