"""Links of the interface's description: what to call with what an answer names (OpenAPI 3.1, section 4.8.20)."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class _Made:
    """A call that makes something, and where its answer names it."""

    path: str
    status: str
    parameter: str
    """As the paths of calls on it have it."""
    named_by: str = "$response.body#/id"


_MADE = (
    _Made("/v1/sessions", "201", "session_id"),
    _Made(
        "/v1/sessions/{session_id}/instructions", "202", "instruction_id", "$response.body#/instruction_id"
    ),
    _Made("/v1/sessions/{session_id}/recordings", "201", "recording_id"),
    _Made("/v1/presets", "201", "preset_id"),
)


def link(paths: dict[str, dict[str, Any]]) -> None:
    """Add to the description's paths where each thing that is made can be asked for, changed and ended."""
    for made in _MADE:
        answer = paths[made.path]["post"]["responses"][made.status]
        outer = {"session_id": "$request.path.session_id"} if "{session_id}" in made.path else {}
        answer["links"] = {
            operation["operationId"]: {
                "operationId": operation["operationId"],
                "parameters": {made.parameter: made.named_by}
                | {name: value for name, value in outer.items() if f"{{{name}}}" in path},
            }
            for path, operations in paths.items()
            if _names(path) - {made.parameter} <= set(outer) and f"{{{made.parameter}}}" in path
            for operation in operations.values()
        }


def _names(path: str) -> set[str]:
    return {part[1:-1] for part in path.split("/") if part.startswith("{")}
