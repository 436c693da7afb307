"""A session's events as server-sent events (HTML standard, section 9.2)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from server.routes.asked import Responses, problems
from server.service import TheSession
from server.session.events import EventMessage
from server.session.session import Session
from server.stats import StatsMessage

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

KEEP_ALIVE_S = 15.0

EXAMPLE = """event: state
data: {"v":1,"type":"state","state":"live","reason":null}

event: receipt
data: {"v":1,"type":"receipt","instruction_id":"q0Zc1vTg9xKd","text":"make it a pencil sketch","frame_index":412,\
"rtp_timestamp":3911204,"frames_waited":1,"elapsed_ms":48.2}

"""


EVENT = {
    "type": "object",
    "description": "One event; `data` is JSON.",
    "properties": {
        "event": {"enum": ["state", "edits", "receipt", "warning", "recording", "telemetry"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "The message, whose `type` is the event; that of telemetry is `stats`.",
        },
    },
    "required": ["event", "data"],
}
STREAM: Responses = {
    200: {
        "content": {"text/event-stream": {"schema": EVENT, "example": EXAMPLE}},
        "description": "state, edits, receipt, warning, recording and, twice a second, telemetry.",
    }
}


@router.get(
    "/{session_id}/events",
    response_class=StreamingResponse,
    responses=STREAM | problems(401, 404),
)
async def listen(
    session: TheSession,
    token: Annotated[
        str | None, Query(description="The session's, for an EventSource, which sends no headers.")
    ] = None,
) -> StreamingResponse:
    """Server-sent events until the session ends."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(session), headers=headers, media_type="text/event-stream")


async def _stream(session: Session) -> AsyncIterator[str]:
    with session.events.listening(*session.now) as events:
        coming = asyncio.ensure_future(anext(events))
        try:
            while True:
                done, _ = await asyncio.wait({coming}, timeout=KEEP_ALIVE_S)
                if not done:
                    yield ": still here\n\n"
                    continue
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    return
                yield _written(event)
                coming = asyncio.ensure_future(anext(events))
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            await events.aclose()


def _written(event: EventMessage) -> str:
    name = "telemetry" if isinstance(event, StatsMessage) else event.type
    return f"event: {name}\ndata: {event.model_dump_json(by_alias=True)}\n\n"
