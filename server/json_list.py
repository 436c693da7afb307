"""Lists in environment variables, as JSON."""

import json
from typing import Any


def json_list(value: object, of: str) -> object:
    """Read a JSON list; what is no text is left for its type to be checked, and an empty text is an empty list.

    Args:
        value: As the setting was given.
        of: What it lists and an example, for the error.

    Raises:
        ValueError: It is no JSON list.
    """
    if not isinstance(value, str):
        return value
    if not value.strip():
        return ()
    try:
        read: Any = json.loads(value)
    except ValueError:
        read = None
    if not isinstance(read, list):
        raise ValueError(f"not a JSON list of {of}")
    return read
