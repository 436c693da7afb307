"""When a run begins to count, how long it counts, and what is typed meanwhile."""

from dataclasses import dataclass

WARM_UP_S = 5.0
SHORT_WARM_UP_S = 1.0
CHANGE_EVERY_S = 10.0
MOST_CHANGES = 12

INSTRUCTIONS = (
    "make it black and white",
    "show me as a film negative",
    "bathe it in sunset light",
    "make it a cold night",
    "turn it into a cartoon",
    "old sepia photograph please",
    "give it a deep blue tint",
    "paint it like an oil painting",
    "make it much brighter",
    "put thick fog over everything",
    "a little less colourful",
    "as a thermal camera sees it",
)
"""One for each change, each new to the server, so that understanding it is part of what is measured."""


@dataclass(frozen=True)
class Change:
    """An instruction typed mid-stream."""

    at_s: float
    text: str


@dataclass(frozen=True)
class Schedule:
    """Times in seconds; the changes' count from the end of the warm-up."""

    first: str
    warm_up_s: float
    seconds: float
    changes: tuple[Change, ...]


def plan(first: str, seconds: float) -> Schedule:
    """Spread instruction changes evenly over a run, none near its end."""
    count = min(MOST_CHANGES, max(2, int(seconds / CHANGE_EVERY_S)))
    step_s = seconds / (count + 1)
    changes = tuple(Change(step_s * (i + 1), INSTRUCTIONS[i]) for i in range(count))
    return Schedule(first, WARM_UP_S if seconds >= 2 * WARM_UP_S else SHORT_WARM_UP_S, seconds, changes)
