"""Bodies of requests, and what the interface's description says of answers that are no success."""

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
    415: "an offer is application/sdp, not text/plain",
    416: "the file has 3180211 bytes, none of them in bytes=4000000-",
    422: "strength: Input should be less than or equal to 1",
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


def example(status: int, value: object, description: str, media_type: str = "application/json") -> Responses:
    """An answer's example."""
    return {status: {"description": description, "content": {media_type: {"example": value}}}}


def _problem(status: int, detail: str) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {"description": title, "content": {MEDIA_TYPE: {"schema": schema, "example": body}}}
