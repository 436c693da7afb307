"""Where a session's frames leave: a mailbox for each way out, so that a slow one drops alone."""

from collections.abc import Callable

from server.session.frame import Frame
from server.session.mailbox import Mailbox


class Outlets:
    """Puts every frame into every mailbox that is open.

    Args:
        on_unwatched: Called with each frame that found none.
    """

    def __init__(self, on_unwatched: Callable[[Frame], None]) -> None:
        self._on_unwatched = on_unwatched
        self._open: list[Mailbox[Frame]] = []
        self._taps: list[Mailbox[Frame]] = []

    def open(self, on_drop: Callable[[], None] = lambda: None) -> Mailbox[Frame]:
        """A mailbox that gets the newest frame from now on."""
        mailbox: Mailbox[Frame] = Mailbox(on_drop)
        self._open.append(mailbox)
        return mailbox

    def tap(self, on_drop: Callable[[], None]) -> Mailbox[Frame]:
        """A mailbox of the same, for what looks on and is no way out, as a recorder."""
        mailbox: Mailbox[Frame] = Mailbox(on_drop)
        self._taps.append(mailbox)
        return mailbox

    def close(self, mailbox: Mailbox[Frame]) -> None:
        """Leave nothing more in this mailbox."""
        (self._taps if mailbox in self._taps else self._open).remove(mailbox)

    def recall_edits(self) -> None:
        """Take back the edits that wait to leave; the original comes next."""
        for mailbox in (*self._open, *self._taps):
            frame = mailbox.peek()
            if frame is not None and frame.kind == "edited":
                mailbox.discard()

    def put(self, frame: Frame) -> None:
        """A frame is ready to leave."""
        for mailbox in (*self._open, *self._taps):
            mailbox.put(frame)
        if not self._open:
            self._on_unwatched(frame)
