"""The fields of a configuration that people edit by hand, each checked as it is read."""

import json
from collections.abc import Collection, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

_LONGEST_SHOWN = 60


class Fields:
    """Reads the fields of one JSON object; what is wrong with one is told in a line that names file and field.

    Args:
        path: The file it is in.
        values: What it holds.
        within: The field of the file that it is, with a dot at its end; empty for the whole file.
    """

    def __init__(self, path: Path, values: Mapping[str, Any], within: str = "") -> None:
        self._path, self._values, self._within = path, values, within

    def text(self, name: str) -> str:
        """A string.

        Raises:
            ValueError: It is missing or something else; and so of the others.
        """
        value = self._value(name)
        if not isinstance(value, str):
            raise self._fault(name, value, "a text")
        return value

    def whole(self, name: str, least: int) -> int:
        """A whole number of at least ``least``."""
        value = self._value(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._fault(name, value, f"a whole number of at least {least}")
        return value

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers of at least 1, not empty."""
        value = self._value(name)
        if (
            not isinstance(value, list)
            or not value
            or not all(type(each) is int and each > 0 for each in value)
        ):
            raise self._fault(name, value, "a list of whole numbers")
        return tuple(value)

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._value(name)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not isfinite(value):
            raise self._fault(name, value, "a number")
        return float(value)

    def positive(self, name: str) -> float:
        """A finite number above 0."""
        value = self.number(name)
        if value <= 0:
            raise self._fault(name, value, "a number above 0")
        return value

    def some_of(self, name: str, known: Collection[str]) -> tuple[str, ...]:
        """A list of known names, each at most once."""
        value = self._value(name)
        if not isinstance(value, list) or any(each not in known or value.count(each) > 1 for each in value):
            raise self._fault(name, value, f"a list of some of {', '.join(known)}")
        return tuple(value)

    def fields_or_none(self, name: str) -> "Fields | None":
        """An object, or null."""
        value = self._value(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self._fault(name, value, "an object or null")
        return Fields(self._path, value, f"{self._within}{name}.")

    def _value(self, name: str) -> object:
        if name not in self._values:
            raise ValueError(f"{self._path} has no {self._within}{name}")
        return self._values[name]

    def _fault(self, name: str, value: object, wanted: str) -> ValueError:
        shown = json.dumps(value)
        if len(shown) > _LONGEST_SHOWN:
            shown = f"{shown[:_LONGEST_SHOWN]}…"
        return ValueError(f"{self._path}: {self._within}{name} is {shown}, not {wanted}")
