"""The description of the REST interface: FastAPI's, with the bearer it asks for and problems as they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import BaseRoute

from server.problems import MEDIA_TYPE, ProblemDetails
from server.routes.described_links import link
from server.routes.described_sdp import describe_sdp

OPEN = ("/livez", "/readyz")
"""Nothing is asked for here."""

_PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}

DESCRIPTION = """Live video edited by typed instruction.

A session is opened with `POST /v1/sessions`; its `token` goes with every further call on it as a bearer. On a server
that has a token of its own, that one goes with all calls and opens every session. A server without one answers
its own machine only, and asks for the sessions' tokens alone.

Errors are problem JSON (RFC 9457).
"""


@dataclass(frozen=True)
class ServerLimits:
    """What this very server is set to take of a new session."""

    model: str
    max_bitrate_bps: int
    max_edit_side: int


def describe(app: FastAPI, limits: ServerLimits, steps: Callable[[], int | None]) -> None:
    """Have ``/openapi.json`` say all this, and what this very server is set to.

    Args:
        app: Whose description it is.
        limits: Of its sessions.
        steps: How many the model runs to a frame; None until it is loaded.
    """
    made = app.openapi
    described: dict[int | None, dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        known = steps()
        if known not in described:
            app.openapi_schema = None
            described[known] = _complete(made(), limits, known)
            _show_nulls(described[known]["paths"], app.routes)
        return described[known]

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: dict[str, Any], limits: ServerLimits, steps: int | None) -> dict[str, Any]:
    schema["info"]["description"] = DESCRIPTION
    components = schema.setdefault("components", {})
    problem = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
    components.setdefault("schemas", {}).update(problem.pop("$defs"), ProblemDetails=problem)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            if path not in OPEN:
                operation["security"] = [{"bearer": []}]
            responses = operation["responses"]
            if "application/json" in responses.get("422", {}).get("content", {}):
                # FastAPI's own, which `server.problems` takes the place of.
                del responses["422"]
            for status in ("4XX", "5XX"):
                responses.setdefault(
                    status, {"description": "A problem.", "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
                )
    describe_sdp(schema["paths"])
    link(schema["paths"])
    _limit(components["schemas"]["NewSession"]["properties"], limits, steps)
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return schema


def _show_nulls(paths: dict[str, Any], routes: Sequence[BaseRoute]) -> None:
    """Put examples of answers in as they were given: FastAPI leaves out what is null in them."""
    for context in iter_route_contexts(routes):
        route = context.original_route
        if not isinstance(route, APIRoute) or context.path_format not in paths:
            continue
        operations = paths[context.path_format]
        for method in map(str.lower, route.methods or ()):
            answers = operations[method]["responses"] if method in operations else {}
            for status, answer in route.responses.items():
                for media_type, shown in answer.get("content", {}).items():
                    if "example" in shown and str(status) in answers:
                        answers[str(status)]["content"][media_type]["example"] = shown["example"]


def _limit(asked: dict[str, Any], limits: ServerLimits, steps: int | None) -> None:
    """Narrow a new session's fields to what this server takes."""

    def given(field: str) -> dict[str, Any]:
        narrowed: dict[str, Any] = next(each for each in asked[field]["anyOf"] if each["type"] != "null")
        return narrowed

    given("model")["enum"] = [limits.model]
    given("max_bitrate_bps")["maximum"] = limits.max_bitrate_bps
    given("width")["maximum"] = given("height")["maximum"] = limits.max_edit_side
    if steps is not None:
        given("steps").update(minimum=steps, maximum=steps)
