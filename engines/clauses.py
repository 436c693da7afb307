"""Where a sentence that may ask for several edits can be cut."""

import re

# No cut of "black and white" reads better than the whole: whoever cuts weighs both.
_JOIN = re.compile(
    r"\s*[,;.+/&]\s*(?:(?:and|then|also|but|plus|after that|afterwards)\s+)*"
    r"|\s+(?:(?:and )?after that|afterwards|and then|and also|and|n|then|plus|with|but|while|also|as well as)\s+",
    re.IGNORECASE,
)
_MOST_CUTS = 4


def clauses(text: str) -> list[tuple[str, str]]:
    """``text`` cut in two at each of its first _MOST_CUTS joining words or signs."""
    cuts = ((text[: join.start()], text[join.end() :]) for join in _JOIN.finditer(text))
    return [(left, right) for left, right in cuts if left.strip() and right.strip()][:_MOST_CUTS]
