"""How much room all recordings of a server may take together."""

import threading


class QuotaExceededError(Exception):
    """Recordings take all the room they may."""


class Quota:
    """Counts bytes; used by every recording's thread.

    Args:
        max_bytes: Of all recordings together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._used = 0
        self._lock = threading.Lock()

    def set_used(self, used_bytes: int) -> None:
        """What lies on the disk now."""
        with self._lock:
            self._used = used_bytes

    def spend(self, more_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            QuotaExceededError: They are too many.
        """
        with self._lock:
            if self._used + more_bytes > self._max_bytes:
                raise QuotaExceededError
            self._used += more_bytes
