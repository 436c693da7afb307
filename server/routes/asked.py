"""Bodies of requests, and what the interface's description says of answers that are no success."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict

from server.problems import MEDIA_TYPE


class Asked(BaseModel):
    """A request's body; a field that nobody knows is refused, it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid", strict=True)


Responses = dict[int | str, dict[str, Any]]

_EXAMPLES = {
    400: "the body is not JSON",
    401: "this call needs the session's token as a bearer",
    404: "there is no such session, or it has ended",
    406: "a snapshot is image/jpeg or image/png",
    409: "the session has no picture yet",
    412: "the ICE session has another ETag",
    415: "an offer is application/sdp, not text/plain",
    416: "the file has 3180211 bytes, none of them in bytes=4000000-",
    422: "strength: Input should be less than or equal to 1",
    428: "a PATCH needs the ICE session's ETag as If-Match (RFC 9725)",
    503: "all 4 places are taken",
    507: "recordings take all the room they may: delete some",
}


def problems(*statuses: int, **details: str) -> Responses:
    """Answers that are problems (RFC 9457), with an example of each.

    Args:
        statuses: Of HTTP.
        details: An example's own words, as ``_409="..."``.
    """
    return {status: _problem(status, details.get(f"_{status}", _EXAMPLES[status])) for status in statuses}


def example(
    status: int,
    value: object,
    description: str,
    media_type: str = "application/json",
    headers: Mapping[str, str] | None = None,
) -> Responses:
    """An answer's example.

    Args:
        status: Of HTTP.
        value: The body.
        description: For a person.
        media_type: The body's; one that is not JSON is text.
        headers: What those say that always come with it.
    """
    shown = {"example": value} | ({"schema": {"type": "string"}} if isinstance(value, str) else {})
    answer: dict[str, Any] = {"description": description, "content": {media_type: shown}}
    return {status: answer | with_headers(headers or {})}


def with_headers(said: Mapping[str, str]) -> dict[str, Any]:
    """The part of an answer's description that tells of headers which always come with it."""
    if not said:
        return {}
    schema = {"type": "string"}
    headers = {name: {"description": each, "required": True, "schema": schema} for name, each in said.items()}
    return {"headers": headers}


def _problem(status: int, detail: str) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": title, "content": {MEDIA_TYPE: {"schema": schema, "example": body}}}
