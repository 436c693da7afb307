"""What schemathesis cannot know of this server by itself: how SDP is written, and which session is live.

Loaded by `tests/server/schemathesis.toml` into the process that `tests.server.test_openapi` starts.
"""

import os
import threading
import zlib
from typing import Any

import httpx
import schemathesis
from schemathesis.core.parameters import ParameterLocation

from server.routes.described_sdp import EXAMPLE_FRAGMENT, channel_offer, video_offer

LIVE_SESSION = os.environ["LIVE_SESSION"]
SERVER = httpx.Client(
    base_url=os.environ["SERVER_URL"], headers={"Authorization": f"Bearer {os.environ['SERVER_TOKEN']}"}
)
STREAM_S = 0.1
DIRECTIONS = {
    "offer": ("sendrecv", "sendonly"),
    "whip": ("sendrecv", "sendonly"),
    "whep": ("sendrecv", "recvonly"),
}
"""That each call takes of a picture."""


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")
def write_sdp(_: schemathesis.SerializationContext, value: Any) -> bytes:  # noqa: ANN401
    """A generated text as it is, and what was generated to be none in Python's words."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


def short_session() -> str:
    """A session that ends soon, and its stream of events with it: the live one's never does."""
    session: str = SERVER.post("/v1/sessions").json()["id"]
    threading.Timer(STREAM_S, SERVER.delete, [f"/v1/sessions/{session}"]).start()
    return session


def most_are(generated: dict[str, Any]) -> bool:
    """Four in five, and the same ones in every run."""
    return zlib.crc32(repr(generated).encode()) % 5 > 0


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:  # noqa: ANN401
    """Calls on a session are on one that is live, but for one in five and the one that would end it.

    Which they are follows from what was generated alone, so that a run is like the one before it.
    """
    if not path_parameters or "session_id" not in path_parameters:
        return path_parameters
    path, method = context.operation.path, context.operation.method.lower()
    if (path, method) != ("/v1/sessions/{session_id}", "delete") and most_are(path_parameters):
        path_parameters["session_id"] = LIVE_SESSION
    return path_parameters


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:  # noqa: ANN401
    """Valid bodies of SDP in place of generated text that is only valid to a schema; the live session stays live."""
    path, method = case.operation.path, case.operation.method.lower()
    never_ends_or_ends_it = path.endswith("/events") or (path, method) == (
        "/v1/sessions/{session_id}",
        "delete",
    )
    # An answer may have named it, as the list of all sessions.
    if never_ends_or_ends_it and case.path_parameters.get("session_id") == LIVE_SESSION:
        case.path_parameters["session_id"] = short_session()
    if case.media_type == "application/sdp" and is_valid(case):
        case.body = offer_for(path.rpartition("/")[2], zlib.crc32(str(case.body).encode()))
    if case.media_type == "application/trickle-ice-sdpfrag" and is_valid(case):
        case.body = EXAMPLE_FRAGMENT


def is_valid(case: Any) -> bool:  # noqa: ANN401
    """Whether schemathesis means this body to be taken."""
    body = case.meta and case.meta.components.get(ParameterLocation.BODY)
    return body is not None and body.mode.is_positive


def offer_for(call: str, number: int) -> str:
    """One of the offers that a call takes."""
    if call == "probe":
        return channel_offer()
    return video_offer(DIRECTIONS[call][number % len(DIRECTIONS[call])])
