"""Sessions over REST: the same code the `control` channel reaches."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from engines.edit_size import SIZE_MULTIPLE, nearest_size
from server.asks import WHOLE, InstructionFields, InstructionText, Strength
from server.messages import InstructionTaken, SessionState
from server.problems import Problem
from server.routes.asked import Asked, example, problems
from server.routes.described_sdp import ANSWER
from server.routes.described_stats import STATS
from server.routes.instructions import TAKEN
from server.routes.refused import refused
from server.routes.signalling import RETRY_AFTER_S, SDP_TYPE, read_offer, refusals
from server.rtc.ice import GrantedIceServer
from server.service import Service, TheService, TheSession
from server.session.errors import UnknownInstructionError
from server.session.limits import SessionLimits
from server.session.session import Session
from server.session.sessions import ServerFullError
from server.stats import Stats

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

PictureSide = Annotated[int, Field(ge=SIZE_MULTIPLE, le=8192), WHOLE]
_FIRST_REFUSED = "its first instruction was refused"

BOTH_OR_NEITHER: JsonDict = {
    "anyOf": [
        {
            "properties": {"width": {"type": "integer"}, "height": {"type": "integer"}},
            "required": ["width", "height"],
        },
        {"properties": {"width": {"type": "null"}, "height": {"type": "null"}}},
    ]
}


class NewSession(Asked):
    """What to open; everything may be left out."""

    model_config = ConfigDict(json_schema_extra=BOTH_OR_NEITHER)

    model: str | None = None
    instruction: InstructionText | None = None
    width: PictureSide | None = None
    """With ``height``: edit at this size, to the nearest multiples of 16, whatever the camera sends."""
    height: PictureSide | None = None
    steps: Annotated[int, Field(ge=1, le=100), WHOLE] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**53), WHOLE] = 0
    max_bitrate_bps: Annotated[int, Field(ge=200_000, le=50_000_000), WHOLE] | None = None
    """Of the edit as it is sent; at most what the server is set to, which it is without this."""


class SessionChange(Asked):
    """What to change; what is left out stays."""

    instruction: InstructionText | None = None
    strength: Strength | None = None
    bypassed: bool | None = None
    """Show the original, from the next frame on."""
    frozen: bool | None = None
    """Hold the picture, whether it is an edit or the original."""


class SessionSummary(BaseModel):
    """A session as everyone may see it."""

    id: str
    state: SessionState
    model: str
    instruction: InstructionTaken | None
    strength: float | None
    """Of the instruction that is applied last, as it is."""
    bypassed: bool
    frozen: bool
    recording_id: str | None
    """The recording that is under way."""
    offer_url: str
    whip_url: str
    """For a publisher, as OBS, in place of a browser's offer."""
    whep_url: str
    """For each viewer."""
    instructions_url: str
    recordings_url: str
    snapshot_url: str
    events_url: str
    stats_url: str


class OpenedSession(SessionSummary):
    """A session as only who opened it sees it."""

    token: str
    """Asked for as a bearer by every call on the session."""
    view_url: str
    """A page that shows the edit and nothing else, as for OBS's Browser Source; it carries the token."""
    ice_servers: tuple[GrantedIceServer, ...]
    """STUN and TURN servers for a browser's RTCPeerConnection, with credentials for this session."""
    max_bitrate_bps: int
    """Of each picture that is sent, either way."""


def summary(session: Session) -> SessionSummary:
    """A session's public side."""
    url = f"/v1/sessions/{session.id}"
    return SessionSummary(
        id=session.id,
        state=session.state,
        model=session.model,
        instruction=session.instructions.newest,
        strength=_strength(session),
        bypassed=session.bypassed,
        frozen=session.frozen,
        recording_id=session.recording.id,
        offer_url=f"{url}/offer",
        whip_url=f"{url}/whip",
        whep_url=f"{url}/whep",
        instructions_url=f"{url}/instructions",
        recordings_url=f"{url}/recordings",
        snapshot_url=f"{url}/snapshot",
        events_url=f"{url}/events",
        stats_url=f"{url}/stats",
    )


SESSION = {
    "id": "Vb7c1QeXo9aR2sTu",
    "state": "live",
    "model": "rfdm-tiny",
    "instruction": TAKEN,
    "strength": 0.8,
    "bypassed": False,
    "frozen": False,
    "recording_id": None,
    "offer_url": "/v1/sessions/Vb7c1QeXo9aR2sTu/offer",
    "whip_url": "/v1/sessions/Vb7c1QeXo9aR2sTu/whip",
    "whep_url": "/v1/sessions/Vb7c1QeXo9aR2sTu/whep",
    "instructions_url": "/v1/sessions/Vb7c1QeXo9aR2sTu/instructions",
    "recordings_url": "/v1/sessions/Vb7c1QeXo9aR2sTu/recordings",
    "snapshot_url": "/v1/sessions/Vb7c1QeXo9aR2sTu/snapshot",
    "events_url": "/v1/sessions/Vb7c1QeXo9aR2sTu/events",
    "stats_url": "/v1/sessions/Vb7c1QeXo9aR2sTu/stats",
}
OPENED = SESSION | {
    "state": "new",
    "token": "Qp1vY0c8mJx4n2KfWzH7tUoRbE6sLdGa",
    "view_url": "/view#session=Vb7c1QeXo9aR2sTu&token=Qp1vY0c8mJx4n2KfWzH7tUoRbE6sLdGa",
    "ice_servers": [],
    "max_bitrate_bps": 6_000_000,
}
LOCATION = {"Location": "The session."}


def _strength(session: Session) -> float | None:
    topmost = session.instructions.topmost
    return None if topmost is None else topmost.strength


@router.post(
    "",
    status_code=201,
    responses=example(201, OPENED, "It is open.", headers=LOCATION) | problems(401, 422, 503),
)
async def open_session(
    service: TheService,
    response: Response,
    asked: Annotated[
        NewSession | None,
        Body(
            openapi_examples={
                "with an instruction": {"value": {"instruction": "make it a pencil sketch", "seed": 7}},
                "of its own size": {"value": {"width": 448, "height": 256}},
            }
        ),
    ] = None,
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
        max_bitrate_bps=session.max_bitrate_bps,
    )


async def open_instructed(
    service: Service, seed: int, limits: SessionLimits | None, instruction: str | None
) -> Session:
    """A new session with its first instruction.

    Raises:
        Problem: 503 when every place is taken, 422 for an instruction that is none, or none the model was taught.
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
    except UnknownInstructionError as error:
        session.end(_FIRST_REFUSED)
        raise Problem(422, f"instruction: {error}", nearest=error.nearest) from error
    except ValueError as error:
        session.end(_FIRST_REFUSED)
        raise Problem(422, f"instruction: {error}") from error
    return session


def view_url(session: Session) -> str:
    """The page that shows the edit and nothing else; the fragment stays in the browser."""
    return f"/view#session={session.id}&token={quote(session.token, safe='')}"


@router.get("", responses=example(200, [SESSION], "All that are open."))
async def list_sessions(service: TheService) -> list[SessionSummary]:
    """All open sessions."""
    return [summary(session) for session in service.sessions]


@router.get("/{session_id}", responses=example(200, SESSION, "As it is now.") | problems(401, 404))
async def show_session(session: TheSession) -> SessionSummary:
    """One session."""
    return summary(session)


@router.patch(
    "/{session_id}",
    responses=example(200, SESSION, "As it is then.")
    | problems(401, 404, 422, 503, _503="the model is not loaded"),
)
async def change_session(
    session: TheSession,
    asked: Annotated[
        SessionChange,
        Body(
            openapi_examples={
                "the original": {"value": {"bypassed": True}},
                "hold": {"value": {"frozen": True}},
                "less": {"value": {"strength": 0.5}},
            }
        ),
    ],
) -> SessionSummary:
    """Change the instruction or its strength, show the original, or hold the picture."""
    with refused():
        if asked.instruction is not None:
            strength = _strength(session) if asked.strength is None else asked.strength
            await session.instructions.take(
                InstructionFields(text=asked.instruction, strength=1.0 if strength is None else strength)
            )
        elif asked.strength is not None:
            session.instructions.set_strength(asked.strength)
    if asked.bypassed is not None:
        session.instructions.bypass(asked.bypassed)
    if asked.frozen is not None:
        session.freeze(asked.frozen)
    return summary(session)


@router.delete("/{session_id}", status_code=204, responses=problems(401, 404))
async def end_session(session: TheSession) -> None:
    """End the session and its connection."""
    await session.close("ended over REST")


@router.post(
    "/{session_id}/offer",
    response_class=Response,
    responses=example(200, ANSWER, "The SDP answer, all candidates in it.", SDP_TYPE)
    | problems(400, 401, 404, 409, 415, 422, 503, _400="the offer is not SDP"),
)
async def answer_offer(session: TheSession, request: Request) -> Response:
    """Answer a browser's SDP offer: its camera up, the edit down, on one connection."""
    offer = await read_offer(request)
    with refusals():
        answer = await session.connect(offer)
    return Response(answer, media_type=SDP_TYPE)


@router.get(
    "/{session_id}/stats",
    response_model_by_alias=True,
    responses=example(200, STATS, "As of now; null where nothing was measured.") | problems(401, 404),
)
async def show_stats(session: TheSession) -> Stats:
    """Telemetry as of now; null where not measured."""
    return session.stats()


def _limits(asked: NewSession, service: Service) -> SessionLimits:
    """A session's own limits: the server's, but for a size and a bitrate it asks for."""
    settings, runs = service.settings, service.engine.description
    name = settings.model if runs is None else runs.name
    if asked.model not in (None, settings.model, name):
        raise Problem(422, f"model: there is no {asked.model!r} here, this server runs {name}")
    steps = settings.steps if runs is None else runs.steps
    if asked.steps is not None and steps is not None and asked.steps != steps:
        raise Problem(422, f"steps: this server runs {steps} to a frame")
    limits = service.limits
    if asked.max_bitrate_bps is not None:
        if asked.max_bitrate_bps > limits.max_bitrate_bps:
            raise Problem(422, f"max_bitrate_bps: at most {limits.max_bitrate_bps} here")
        limits = replace(limits, max_bitrate_bps=asked.max_bitrate_bps)
    if asked.width is None and asked.height is None:
        return limits
    if asked.width is None or asked.height is None:
        raise Problem(422, "width, height: give both or neither")
    width, height = asked.width, asked.height
    if max(width, height, *nearest_size(width, height)) > settings.max_edit_side:
        raise Problem(422, f"width, height: at most {settings.max_edit_side} here")

    def fixed(_: int, __: int) -> tuple[int, int]:
        loaded = service.engine.description
        return nearest_size(width, height, SIZE_MULTIPLE if loaded is None else loaded.size_multiple)

    return replace(limits, edit_size=fixed)
