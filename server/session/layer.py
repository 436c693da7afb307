"""One instruction of a session's stack: what it asks for, how much of it shows, and from when."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engines.conditioning import Conditioning


@dataclass(frozen=True, eq=False)
class Transition:
    """What a layer showed before a change, and how long it takes to leave that behind."""

    began_s: float
    lasts_s: float
    strength: float
    """How much showed when it began."""
    conditioning: "Conditioning | None" = None
    """What showed when it began, where that was another instruction."""

    def share(self, now_s: float) -> float:
        """How much of the way is done, within [0, 1]."""
        return min(1.0, max(0.0, (now_s - self.began_s) / self.lasts_s))


@dataclass(frozen=True, eq=False)
class AppliedLayer:
    """A layer as one frame is edited by it."""

    id: str
    conditioning: "Conditioning"
    strength: float


@dataclass(frozen=True, eq=False)
class Layer:
    """An instruction that has been understood; times are seconds of the session's clock."""

    id: str
    conditioning: "Conditioning"
    strength: float = 1.0
    enabled: bool = True
    leaving: bool = False
    """It has been taken off the stack and fades away."""
    transition: Transition | None = None

    def shows(self, now_s: float) -> bool:
        """Whether a frame edited now carries it; at strength 0 it does, so that its memory stays warm."""
        return (self.enabled and not self.leaving) or (
            self.transition is not None and self.transition.share(now_s) < 1.0
        )

    def applied(self, now_s: float) -> AppliedLayer:
        """The layer as a frame is edited by it now: under way, or arrived."""
        end = self.strength if self.enabled and not self.leaving else 0.0
        begun = self.transition
        share = 1.0 if begun is None else begun.share(now_s)
        if begun is None or share == 1.0:
            return AppliedLayer(self.id, self.conditioning, end)
        conditioning = self.conditioning
        if begun.conditioning is not None:
            conditioning = begun.conditioning.towards(conditioning, share)
        return AppliedLayer(self.id, conditioning, begun.strength + share * (end - begun.strength))

    def moved(self, now_s: float, transition_s: float, other: "Layer") -> "Layer":
        """``other``, a change of this layer, beginning where this one is now."""
        if transition_s <= 0:
            return replace(other, transition=None)
        here = self.applied(now_s).strength if self.shows(now_s) else 0.0
        return replace(other, transition=Transition(now_s, transition_s, here))

    def settled(self) -> "Layer":
        """The layer at the end of its transition."""
        return self if self.transition is None else replace(self, transition=None)


@dataclass(frozen=True, eq=False)
class Edits:
    """All that is asked of the picture between two changes."""

    revision: int = 0
    """Counts the changes."""
    layers: tuple[Layer, ...] = ()
    """In the order in which they are applied, those that fade away included."""
    bypassed: bool = False
    """The original shows."""
    frozen: bool = False
    """The picture is held."""

    def applied(self, now_s: float) -> tuple[AppliedLayer, ...]:
        """What a frame edited now goes through, in this order."""
        return tuple(layer.applied(now_s) for layer in self.layers if layer.shows(now_s))
