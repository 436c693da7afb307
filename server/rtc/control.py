"""What a browser says on the `control` channel, read before anything follows it."""

import json
from typing import get_args

from pydantic import TypeAdapter, ValidationError

from server.asks import ControlMessage, Id
from server.messages import ControlErrorCode
from server.stats import ClientReport

MAX_MESSAGE_BYTES = 16 * 1024

_MESSAGES: dict[str, TypeAdapter[ControlMessage]] = {
    get_args(kind.model_fields["type"].annotation)[0]: TypeAdapter(kind) for kind in get_args(ControlMessage)
}
_ID: TypeAdapter[str] = TypeAdapter(Id)


class ControlError(ValueError):
    """A message that cannot be followed; carries the request's id where it had one."""

    def __init__(self, code: ControlErrorCode, detail: str, request_id: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.request_id = code, detail, request_id


def parse_control(raw: str | bytes) -> ControlMessage:
    """Read a message of the `control` channel.

    Raises:
        ControlError: It is none; says why.
    """
    if isinstance(raw, bytes):
        raise ControlError("binary", "control messages are JSON text, this one is binary")
    if len(raw) > MAX_MESSAGE_BYTES or len(raw.encode(errors="replace")) > MAX_MESSAGE_BYTES:
        raise ControlError("too_large", f"a control message may have {MAX_MESSAGE_BYTES} bytes")
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ControlError("bad_json", "the control message is not JSON") from error
    if not isinstance(fields, dict):
        raise ControlError("bad_json", "the control message is not a JSON object")

    try:
        # Before the rest, which is answered by it; half a surrogate pair, which JSON can spell, is no character.
        request_id = _ID.validate_python(fields.get("id"), strict=True)
    except ValidationError as error:
        raise ControlError("bad_field", "id: a control message needs an id of 1 to 128 characters") from error
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in _MESSAGES:
        known = ", ".join(_MESSAGES)
        raise ControlError("unknown_type", f"type is none of {known}", request_id)
    try:
        return _MESSAGES[kind].validate_python(fields)
    except ValidationError as error:
        raise ControlError("bad_field", describe(error), request_id) from error


def parse_client_report(raw: str | bytes) -> ClientReport | None:
    """Read what a browser measured; None for anything else, the `telemetry` channel is never answered."""
    if len(raw) > MAX_MESSAGE_BYTES:
        return None
    try:
        return ClientReport.model_validate_json(raw)
    except ValidationError:
        return None


def describe(error: ValidationError) -> str:
    """One line for a person: which field, and what is wrong with it."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    said = "must not be empty" if first["type"] == "string_pattern_mismatch" else str(first["msg"])
    return f"{where}: {said}" if where else said
