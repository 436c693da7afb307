"""Errors as problem JSON (RFC 9457): raised anywhere as one exception, translated here alone."""

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_JSON = re.compile(r"application/(?:[^/]+\+)?json")
_PARAMETER = re.compile(r"\\\{\w+\\\}")


class FieldError(BaseModel):
    """What was wrong with one field."""

    field: str
    detail: str


class ProblemDetails(BaseModel):
    """The body of every error."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: tuple[FieldError, ...] | None = None
    """What was wrong with each field, where several may be."""
    nearest: tuple[str, ...] | None = None
    """Instructions like the one that is unlike anything the model was taught."""


class Problem(HTTPException):
    """An error for whoever made the request.

    Args:
        status: HTTP status code.
        detail: What was wrong with this very request, for a person.
        headers: To send along, as ``Retry-After``.
        more: Members beyond RFC 9457's own.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(status, detail, headers)
        self.more = more


def problem_response(
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, object] | None = None,
) -> JSONResponse:
    """A problem JSON response."""
    body = ProblemDetails(title=HTTPStatus(status).phrase, status=status, detail=detail)
    members = body.model_dump(exclude_none=True) | dict(more or {})
    return JSONResponse(members, status, dict(headers or {}), MEDIA_TYPE)


def install_problems(app: FastAPI) -> None:
    """Translate every error of the application, the framework's own included."""

    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        detail = str(error.detail)
        if not isinstance(error, Problem):
            detail = {
                400: "the body is not JSON, or not such as can be read",
                404: f"there is nothing at {request.url.path}",
                405: f"{request.url.path} does not answer {request.method}",
            }.get(error.status_code, detail)
        more = error.more if isinstance(error, Problem) else None
        headers = error.headers
        if error.status_code == 405 and (allowed := _allowed(request)):
            headers = {**(headers or {}), "Allow": ", ".join(allowed)}
        return problem_response(error.status_code, detail, headers, more)

    async def invalid_request(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if not _JSON.fullmatch(given) and any(map(_not_read, error.errors())):
            wrong = f"a body is application/json here, not {given or 'of no type'}"
            return problem_response(415, wrong, {"Accept": "application/json"})
        errors = [_field_error(entry) for entry in error.errors()]
        if any(entry.get("type") == "json_invalid" for entry in error.errors()):
            return problem_response(400, "the body is not JSON")
        detail = "; ".join(f"{entry['field']}: {entry['detail']}" for entry in errors)
        return problem_response(422, detail, more={"errors": errors})

    async def crashed(request: Request, error: Exception) -> JSONResponse:
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem_response(500, "the server failed on this request; its log says why")

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, invalid_request)
    app.add_exception_handler(Exception, crashed)


def _allowed(request: Request) -> list[str]:
    """All methods of a path: the router names those of the first of its routes alone (RFC 9110, section 10.2.1).

    What is written out, as ``/v1/presets/export``, is never an id.
    """
    paths = request.app.openapi()["paths"]
    methods: set[str] = set()
    for template, operations in paths.items():
        if re.fullmatch(_PARAMETER.sub("[^/]+", re.escape(template)), request.url.path):
            methods |= {method.upper() for method in operations}
    if (written_out := request.url.path) in paths:
        methods = {method.upper() for method in paths[written_out]}
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def _not_read(entry: Mapping[str, Any]) -> bool:
    """Whether the error is of a whole body that was taken for bytes."""
    return tuple(entry["loc"]) == ("body",) and isinstance(entry.get("input"), bytes)


def _field_error(entry: Mapping[str, Any]) -> dict[str, str]:
    field = ".".join(str(part) for part in entry["loc"] if part != "body") or "body"
    said = "must not be empty" if entry["type"] == "string_pattern_mismatch" else str(entry["msg"])
    return {"field": field, "detail": said}
