"""When the camera may have its next picture: as soon as one comes, at its rate on average."""


class Pace:
    """Lets pictures through at a rate, one that is up to half an interval early included.

    A strict interval would hold back every other picture of a source that has the camera's own rate but comes
    through a network; see the generic cell rate algorithm (ITU-T I.371, annex A).

    Args:
        fps: The camera's rate.
    """

    def __init__(self, fps: float) -> None:
        self.interval_s = 1.0 / fps
        self._due_s = 0.0

    def wait_s(self, now_s: float) -> float:
        """Seconds until a picture may be sent; 0 if it may be now."""
        return max(0.0, self._due_s - self.interval_s / 2 - now_s)

    def sent(self, now_s: float) -> None:
        """Note that a picture was sent."""
        self._due_s = max(now_s, self._due_s) + self.interval_s
