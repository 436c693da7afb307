"""What compiled programs hold, for as long as somebody keeps them."""

import threading
import weakref


class Held:
    """Bytes held by programs that have not been dropped yet."""

    def __init__(self) -> None:
        self._bytes = 0
        # Programs are made by one thread and dropped by another.
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """All of them together."""
        return self._bytes

    def by(self, owner: object, size: int) -> None:
        """Count ``size`` bytes until ``owner`` is dropped."""
        self._change(size)
        weakref.finalize(owner, self._change, -size).atexit = False

    def _change(self, size: int) -> None:
        with self._lock:
            self._bytes += size
