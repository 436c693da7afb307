"""What schemathesis cannot know of this server by itself: how SDP is written, and which session is live.

Loaded by `tests/server/schemathesis.toml` into the process that `tests.server.test_openapi` starts.
"""

import os
import threading
import zlib
from typing import Any

import httpx
import schemathesis

LIVE_SESSION = os.environ["LIVE_SESSION"]
SERVER = httpx.Client(
    base_url=os.environ["SERVER_URL"], headers={"Authorization": f"Bearer {os.environ['SERVER_TOKEN']}"}
)
STREAM_S = 0.1


@schemathesis.serializer("application/sdp", "application/trickle-ice-sdpfrag")  # type: ignore[arg-type]
def write_sdp(_: schemathesis.SerializationContext, value: Any) -> dict[str, Any]:  # noqa: ANN401
    """A generated text as it is, and what was generated to be none in Python's words."""
    return {"data": value if isinstance(value, bytes) else str(value).encode(errors="replace")}


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
    if path.endswith("/events"):
        path_parameters["session_id"] = short_session()
    elif (path, method) != ("/v1/sessions/{session_id}", "delete") and most_are(path_parameters):
        path_parameters["session_id"] = LIVE_SESSION
    return path_parameters
