"""Recordings over REST: begun by a session, kept after it."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import AwareDatetime, BeforeValidator

from server.access import bearer, same_secret
from server.messages import RecordingFile, RecordingSummary
from server.problems import Problem
from server.routes.asked import Asked, Responses, example, problems
from server.routes.ranged_file import RangedFile
from server.routes.refused import refused
from server.service import TheService, TheSession

router = APIRouter(tags=["recordings"])

MEDIA_TYPES: dict[RecordingFile, str] = {
    "edited.mp4": "video/mp4",
    "original.mp4": "video/mp4",
    "instructions.jsonl": "application/jsonl",
}

RECORDING = {
    "id": "0lM3yQ8sT5aWc2Zk",
    "session_id": "Vb7c1QeXo9aR2sTu",
    "state": "ended",
    "reason": "stopped",
    "started_at": "2026-01-31T18:02:11.204315+01:00",
    "duration_s": 12.467,
    "frames": 374,
    "dropped": 0,
    "bytes": 3_180_211,
    "files": ["edited.mp4", "original.mp4", "instructions.jsonl"],
}


PAGE, LARGEST_PAGE = 100, 1000


def _written_out(given: object) -> object:
    """Refuse seconds since 1970, which pydantic would take."""
    if isinstance(given, str) and "-" not in given[1:]:
        raise ValueError("a time is written as 2026-01-31T18:02:11Z")
    return given


Limit = Annotated[int, Query(ge=1, le=LARGEST_PAGE, description="Of one page.")]
Before = Annotated[
    AwareDatetime | None,
    BeforeValidator(_written_out),
    Query(description="Only recordings that began earlier; the `Link` to the next page has it."),
]

LISTED = example(200, [RECORDING], 'The newest first; a `Link` with `rel="next"` where there are older ones.')

FILES: Responses = {
    200: {"description": "The file.", "content": {media_type: {} for media_type in MEDIA_TYPES.values()}},
    206: {
        "description": "The parts of it that a Range asks for.",
        "content": {media_type: {} for media_type in (*MEDIA_TYPES.values(), "multipart/byteranges")},
    },
}


class NewRecording(Asked):
    """What to record; everything may be left out."""

    original: bool = False
    """The camera's own pictures as well: `afterimage edit --replay` renders the take again from them."""


async def asked_recording(recording_id: str, request: Request, service: TheService) -> str:
    """The id of a recording, for whoever has its session's token or the server's.

    A link to a file carries the token as ``?token=``: a browser that follows it sends no headers. Without a server's
    token this machine's own calls may have every recording, as they may have every page.
    """
    given = bearer(request.headers)
    if given is None:
        given = request.query_params.get("token")
    if service.token is None or same_secret(given, service.token):
        return recording_id
    if given is not None and await service.recordings.opened_by(recording_id, given):
        return recording_id
    raise Problem(
        401,
        "this call needs the token of the recording's session, or the server's, as a bearer",
        {"WWW-Authenticate": 'Bearer realm="afterimage recording"'},
    )


ItsRecording = Annotated[str, Depends(asked_recording)]


@router.post(
    "/v1/sessions/{session_id}/recordings",
    status_code=201,
    responses=example(
        201,
        RECORDING | {"state": "recording", "reason": None},
        "It has begun.",
        headers={"Location": "The recording."},
    )
    | problems(401, 404, 409, 422, 507),
)
async def begin_recording(
    session: TheSession,
    response: Response,
    asked: Annotated[
        NewRecording | None, Body(openapi_examples={"with the original": {"value": {"original": True}}})
    ] = None,
) -> RecordingSummary:
    """Record what leaves the session from the next frame on: fragmented MP4 with sound, and a log of instructions."""
    with refused():
        recording = await session.record((asked or NewRecording()).original)
    response.headers["Location"] = f"/v1/recordings/{recording.id}"
    return recording


@router.get("/v1/sessions/{session_id}/recordings", responses=LISTED | problems(401, 404, 422))
async def list_recordings_of_session(
    session: TheSession,
    service: TheService,
    request: Request,
    response: Response,
    limit: Limit = PAGE,
    before: Before = None,
) -> list[RecordingSummary]:
    """A session's recordings."""
    recordings, more = await service.recordings.page(limit, before, session.id)
    name_next(request, response, recordings, more)
    return recordings


@router.get("/v1/recordings", responses=LISTED | problems(422))
async def list_recordings(
    service: TheService, request: Request, response: Response, limit: Limit = PAGE, before: Before = None
) -> list[RecordingSummary]:
    """All recordings of this server, those of sessions that have ended included."""
    recordings, more = await service.recordings.page(limit, before)
    name_next(request, response, recordings, more)
    return recordings


def name_next(
    request: Request, response: Response, recordings: Sequence[RecordingSummary], more: bool
) -> None:
    """Add the address of the next page as a ``Link`` (RFC 8288), if there is one."""
    if more:
        last = recordings[-1].started_at.isoformat()
        following = request.url.include_query_params(before=last)
        response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'


@router.get(
    "/v1/recordings/{recording_id}",
    responses=example(200, RECORDING, "As of now.")
    | problems(401, 404, _404="there is no such recording, or not any more"),
)
async def show_recording(recording: ItsRecording, service: TheService) -> RecordingSummary:
    """One recording."""
    with refused():
        return await service.recordings.find(recording)


@router.post(
    "/v1/recordings/{recording_id}/stop",
    responses=example(200, RECORDING, "It has ended, now or before.")
    | problems(401, 404, _404="there is no such recording, or not any more"),
)
async def stop_recording(recording: ItsRecording, service: TheService) -> RecordingSummary:
    """End a recording; nothing happens to one that has ended."""
    with refused():
        running = service.recordings.running(recording)
        if running is not None:
            await running.stop("stopped")
        return await service.recordings.find(recording)


@router.get(
    "/v1/recordings/{recording_id}/files/{name}",
    response_class=RangedFile,
    responses=FILES
    | problems(
        401, 404, 409, 416, 422, _404="the recording has no original.mp4", _409="stop the recording first"
    ),
)
async def download(recording: ItsRecording, name: RecordingFile, service: TheService) -> RangedFile:
    """A file of a recording that has ended."""
    with refused():
        kept = await service.recordings.find(recording)
    if kept.state == "recording":
        raise Problem(409, "stop the recording first", {"Retry-After": "1"})
    if name not in kept.files:
        raise Problem(404, f"the recording has no {name}")
    return RangedFile(
        service.recordings.path(kept.id, name),
        media_type=MEDIA_TYPES[name],
        filename=f"afterimage-{kept.started_at:%Y%m%d-%H%M%S}-{name}",
        headers={"Cache-Control": "private, no-store"},
    )


@router.delete(
    "/v1/recordings/{recording_id}",
    status_code=204,
    responses=problems(401, 404, _404="there is no such recording, or not any more"),
)
async def delete_recording(recording: ItsRecording, service: TheService) -> None:
    """Remove a recording; one under way is ended first."""
    with refused():
        running = service.recordings.running(recording)
        if running is not None:
            await running.stop("deleted")
        await service.recordings.delete(recording)
