"""The description of the REST interface: FastAPI's, with the bearer it asks for and problems as they are."""

from typing import Any

from fastapi import FastAPI

from server.problems import MEDIA_TYPE, ProblemDetails

OPEN = ("/livez", "/readyz")
"""Nothing is asked for here."""

_PROBLEM = {"$ref": "#/components/schemas/ProblemDetails"}

DESCRIPTION = """Live video edited by typed instruction.

A session is opened with `POST /v1/sessions`; its `token` goes with every further call on it as a bearer. On a server
that has a token of its own, that one goes with all calls and opens every session. A server without one answers
its own machine only, and asks for the sessions' tokens alone.

Errors are problem JSON (RFC 9457).
"""


def describe(app: FastAPI, max_bitrate_bps: int) -> None:
    """Have ``/openapi.json`` say all this, and what this very server is set to."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(made(), max_bitrate_bps)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(schema: dict[str, Any], max_bitrate_bps: int) -> dict[str, Any]:
    schema["info"]["description"] = DESCRIPTION
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["ProblemDetails"] = ProblemDetails.model_json_schema()
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
    asked = components["schemas"]["NewSession"]["properties"]["max_bitrate_bps"]
    next(each for each in asked["anyOf"] if each["type"] == "integer")["maximum"] = max_bitrate_bps
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    return schema
