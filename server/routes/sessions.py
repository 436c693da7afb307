"""Sessions over REST: the same code the `control` channel reaches."""

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from server.asks import InstructionFields, InstructionText, Strength
from server.engine import EditorUnavailableError
from server.messages import (
    InstructionTaken,
    SessionState,
    StateMessage,
    Stats,
    StatsMessage,
)
from server.problems import Problem
from server.routes.signalling import RETRY_AFTER_S, SDP_TYPE, read_offer, refusals
from server.rtc.ice import GrantedIceServer
from server.service import Service, TheService, TheSession
from server.session.edit_size import SIZE_MULTIPLE
from server.session.frame import Picture
from server.session.limits import SessionLimits
from server.session.session import Session
from server.session.sessions import ServerFullError

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

KEEP_ALIVE_S = 15.0

PictureSide = Annotated[int, Field(ge=SIZE_MULTIPLE, le=8192)]


class Asked(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid")


class NewSession(Asked):
    """What to open; everything may be left out."""

    model: str | None = None
    instruction: InstructionText | None = None
    width: PictureSide | None = None
    """With ``height``: edit at this size, to the nearest multiples of 16, whatever the camera sends."""
    height: PictureSide | None = None
    steps: Annotated[int, Field(ge=1, le=100)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0


class SessionChange(Asked):
    """What to change; what is left out stays."""

    instruction: InstructionText | None = None
    strength: Strength | None = None
    frozen: bool | None = None


class NewInstruction(InstructionFields, Asked):
    """An instruction."""


class SessionSummary(BaseModel):
    """A session as everyone may see it."""

    id: str
    state: SessionState
    model: str
    instruction: InstructionTaken | None
    strength: float | None
    frozen: bool
    offer_url: str
    whip_url: str
    """For a publisher, as OBS, in place of a browser's offer."""
    whep_url: str
    """For each viewer."""
    events_url: str


class OpenedSession(SessionSummary):
    """A session as only who opened it sees it."""

    token: str
    """Asked for as a bearer by every call on the session."""
    view_url: str
    """A page that shows the edit and nothing else, as for OBS's Browser Source; it carries the token."""
    ice_servers: tuple[GrantedIceServer, ...]
    """STUN and TURN servers for a browser's RTCPeerConnection, with credentials for this session."""


def summary(session: Session) -> SessionSummary:
    """A session's public side."""
    return SessionSummary(
        id=session.id,
        state=session.state,
        model=session.model,
        instruction=session.instructions.newest,
        strength=_strength(session),
        frozen=session.frozen,
        offer_url=f"/v1/sessions/{session.id}/offer",
        whip_url=f"/v1/sessions/{session.id}/whip",
        whep_url=f"/v1/sessions/{session.id}/whep",
        events_url=f"/v1/sessions/{session.id}/events",
    )


def _strength(session: Session) -> float | None:
    topmost = session.instructions.topmost
    return None if topmost is None else topmost.strength


@router.post("", status_code=201)
async def open_session(
    service: TheService, response: Response, asked: NewSession | None = None
) -> OpenedSession:
    """Open a session; 503 when every place is taken."""
    asked = asked or NewSession()
    session = await open_instructed(service, asked.seed, _limits(asked, service), asked.instruction)
    response.headers["Location"] = f"/v1/sessions/{session.id}"
    return OpenedSession(
        **summary(session).model_dump(),
        token=session.token,
        view_url=view_url(session),
        ice_servers=service.grant(),
    )


async def open_instructed(
    service: Service, seed: int, limits: SessionLimits | None, instruction: str | None
) -> Session:
    """A new session with its first instruction.

    Raises:
        Problem: 503 when every place is taken, 422 for an instruction that is none.
    """
    try:
        session = service.sessions.open(seed, limits)
    except ServerFullError:
        taken = f"all {service.sessions.max_sessions} places are taken"
        raise Problem(503, taken, {"Retry-After": str(RETRY_AFTER_S)}) from None
    if instruction is None:
        return session
    if not service.engine.ready:
        session.instruct_when_ready(instruction)
        return session
    try:
        await session.instructions.take(InstructionFields(text=instruction))
    except ValueError as error:
        session.end("its first instruction was refused")
        raise Problem(422, f"instruction: {error}") from error
    return session


def view_url(session: Session) -> str:
    """The page that shows the edit and nothing else; the fragment stays in the browser."""
    return f"/view#session={session.id}&token={quote(session.token, safe='')}"


@router.get("")
async def list_sessions(service: TheService) -> list[SessionSummary]:
    """All open sessions."""
    return [summary(session) for session in service.sessions]


@router.get("/{session_id}")
async def show_session(session: TheSession) -> SessionSummary:
    """One session."""
    return summary(session)


@router.patch("/{session_id}")
async def change_session(session: TheSession, asked: SessionChange) -> SessionSummary:
    """Change the instruction, its strength, or hold the picture."""
    if asked.instruction is not None:
        strength = asked.strength if asked.strength is not None else (_strength(session) or 1.0)
        await _instruct(session, InstructionFields(text=asked.instruction, strength=strength))
    elif asked.strength is not None:
        session.instructions.set_strength(asked.strength)
    if asked.frozen is not None:
        session.freeze(asked.frozen)
    return summary(session)


@router.delete("/{session_id}", status_code=204)
async def end_session(session: TheSession) -> None:
    """End the session and its connection."""
    await session.close("ended over REST")


@router.post(
    "/{session_id}/offer",
    response_class=Response,
    responses={200: {"content": {SDP_TYPE: {}}, "description": "The SDP answer, all candidates in it."}},
    openapi_extra={"requestBody": {"content": {SDP_TYPE: {"schema": {"type": "string"}}}, "required": True}},
)
async def answer_offer(session: TheSession, request: Request) -> Response:
    """Answer a browser's SDP offer: its camera up, the edit down, on one connection."""
    offer = await read_offer(request)
    with refusals():
        answer = await session.connect(offer)
    return Response(answer, media_type=SDP_TYPE)


@router.post("/{session_id}/instructions", status_code=202)
async def instruct(session: TheSession, asked: NewInstruction) -> InstructionTaken:
    """Take an instruction; a receipt follows with the first frame that carries it."""
    return await _instruct(session, asked)


@router.get(
    "/{session_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "receipt, state, warning, telemetry"}
    },
)
async def listen(session: TheSession) -> StreamingResponse:
    """Server-sent events until the session ends."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_event_stream(session), headers=headers, media_type="text/event-stream")


@router.get("/{session_id}/stats", response_model_by_alias=True)
async def show_stats(session: TheSession) -> Stats:
    """Telemetry as of now; null where not measured."""
    return session.stats()


@router.get(
    "/{session_id}/snapshot",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}, "image/png": {}}, "description": "The newest picture."}},
)
async def snapshot(session: TheSession, request: Request, of: Literal["edit", "source"] = "edit") -> Response:
    """The newest picture, JPEG or, where the request prefers it, PNG."""
    picture = session.last_edit if of == "edit" else session.last_source
    if picture is None:
        raise Problem(409, "the session has no picture yet", {"Retry-After": "1"})
    media_type = _preferred_image(request.headers.get("accept", "*/*"))
    body = await asyncio.to_thread(_encode_image, picture, media_type)
    return Response(body, media_type=media_type, headers={"Cache-Control": "no-store", "Vary": "Accept"})


def _limits(asked: NewSession, service: Service) -> SessionLimits | None:
    """A session's own limits where it asks for a size of its own."""
    settings, runs = service.settings, service.engine.description
    if asked.model is not None and asked.model != settings.model:
        raise Problem(422, f"model: there is no {asked.model!r} here, this server runs {settings.model}")
    steps = settings.steps if runs is None else runs.steps
    if asked.steps is not None and asked.steps != steps:
        raise Problem(422, f"steps: this server runs {steps} to a frame")
    if asked.width is None and asked.height is None:
        return None
    if asked.width is None or asked.height is None:
        raise Problem(422, "width, height: give both or neither")
    width, height = (
        max(1, round(side / SIZE_MULTIPLE)) * SIZE_MULTIPLE for side in (asked.width, asked.height)
    )
    if max(width, height) > settings.max_edit_side:
        raise Problem(422, f"width, height: at most {settings.max_edit_side} here")
    return replace(service.limits, edit_size=lambda *_: (width, height))


async def _instruct(session: Session, asked: InstructionFields) -> InstructionTaken:
    try:
        return await session.instructions.take(asked)
    except ValueError as error:
        raise Problem(422, f"text: {error}") from error
    except EditorUnavailableError as error:
        raise Problem(503, str(error), {"Retry-After": str(RETRY_AFTER_S)}) from error


async def _event_stream(session: Session) -> AsyncIterator[str]:
    events = session.events.listen(StateMessage(state=session.state))
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
            name = "telemetry" if isinstance(event, StatsMessage) else event.type
            yield f"event: {name}\ndata: {event.model_dump_json(by_alias=True)}\n\n"
            coming = asyncio.ensure_future(anext(events))
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await events.aclose()


def _preferred_image(accept: str) -> str:
    """JPEG unless PNG is named and preferred; 406 for neither."""
    weights: dict[str, float] = {}
    for entry in accept.split(","):
        media_type, _, parameters = entry.strip().partition(";")
        quality = parameters.strip().removeprefix("q=") if parameters.strip().startswith("q=") else "1"
        try:
            weights[media_type.strip().lower()] = float(quality)
        except ValueError:
            continue
    anything = max(weights.get("image/*", 0.0), weights.get("*/*", 0.0))
    jpeg, png = weights.get("image/jpeg", anything), weights.get("image/png", anything)
    if max(jpeg, png) <= 0:
        raise Problem(406, "a snapshot is image/jpeg or image/png")
    return "image/png" if png > jpeg else "image/jpeg"


def _encode_image(picture: Picture, media_type: str) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    if media_type == "image/png":
        Image.fromarray(picture).save(buffer, "PNG")
    else:
        Image.fromarray(picture).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
