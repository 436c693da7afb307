"""What a session's picture is to become, and from when."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.conditioning import Conditioning


@dataclass(frozen=True, eq=False)
class Instruction:
    """An instruction that has been understood."""

    id: str
    conditioning: "Conditioning"
    strength: float
    arrived_s: float
    frames_sent_before: int
    """Frames that had left the session when it arrived."""
    understood_s: float
    transition_s: float = 0.0
    previous: "Conditioning | None" = None
    """Where a timed transition starts."""

    def at(self, now_s: float) -> "Conditioning":
        """The conditioning of a frame edited at ``now_s``: under way from the previous one, or arrived."""
        if self.previous is None or now_s >= self.understood_s + self.transition_s:
            return self.conditioning
        share = max(0.0, (now_s - self.understood_s) / self.transition_s)
        return self.previous.towards(self.conditioning, share)

    def with_strength(self, strength: float) -> "Instruction":
        """The same instruction, showing more or less of its edit."""
        return replace(self, strength=strength)
