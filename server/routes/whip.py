"""Publishing over WHIP (RFC 9725): OBS, FFmpeg and whatever else sends a picture by one address."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from server.access import bearer, same_secret
from server.asks import InstructionText
from server.problems import Problem
from server.routes.asked import problems, with_headers
from server.routes.sessions import open_instructed
from server.routes.signalling import SDP_TYPE, created, options, read_offer, refusals, trickle
from server.rtc.connection import Connection
from server.service import TheService, TheSession, asked_session
from server.session.session import Session

router = APIRouter(tags=["whip"])

ANSWERED = problems(400, 401, 404, 409, 415, 422, 503, _400="the offer is not SDP") | {
    201: {
        "content": {SDP_TYPE: {"schema": {"type": "string"}}},
        "description": "The SDP answer, all candidates in it.",
    }
    | with_headers(
        {
            "Location": "What to DELETE to end it, and to PATCH with trickled candidates.",
            "ETag": "The ICE session's: the If-Match of a PATCH.",
            "Link": 'The session with `rel="related"`, and each STUN and TURN server with `rel="ice-server"`.',
        }
    )
}
ENDED = problems(401, 404) | {200: {"description": "It has ended."}}
TAKEN = problems(
    400,
    401,
    404,
    412,
    415,
    422,
    428,
    _422="ICE cannot be restarted here",
    _400="a line is not of the form a=…",
) | {204: {"description": "They are tried."}}


@router.post(
    "/v1/sessions/{session_id}/whip",
    status_code=201,
    response_class=Response,
    responses=ANSWERED,
)
async def publish(session: TheSession, request: Request, service: TheService) -> Response:
    """Send a session its picture; 409 when it has one already."""
    offer = await read_offer(request)
    with refusals():
        answer = await session.publish(offer)
    return _created(answer, f"/v1/sessions/{session.id}/whip/", session, service)


@router.post(
    "/whip",
    status_code=201,
    response_class=Response,
    responses=ANSWERED,
)
async def open_and_publish(
    request: Request,
    service: TheService,
    instruction: Annotated[InstructionText | None, Query()] = None,
) -> Response:
    """Open a session and send it its picture, by one address and one bearer token.

    On a server without a token the bearer that is given becomes the session's own: who publishes chooses what
    viewers and REST calls will need. With the server's token everything is open to its holder anyway.
    """
    offer = await read_offer(request)
    session = await open_instructed(service, 0, None, instruction)
    given = bearer(request.headers)
    if service.token is None and given is not None:
        session.token, session.token_chosen = given, True
    session.opened_by_publisher = True
    try:
        with refusals():
            answer = await session.publish(offer)
    except Problem:
        await session.close("its publisher's offer was refused")
        raise
    return _created(answer, "/whip/", session, service)


@router.options("/whip", include_in_schema=False)
@router.options("/whep", include_in_schema=False)
async def endpoint_options(request: Request, service: TheService) -> Response:
    """What the endpoint takes; the ICE servers for whoever could also post to it."""
    given = bearer(request.headers)
    if service.token is not None and given is None:
        return options(())
    return options(service.grant())


@router.options("/v1/sessions/{session_id}/whip", include_in_schema=False)
@router.options("/v1/sessions/{session_id}/whep", include_in_schema=False)
async def session_options(session_id: str, request: Request, service: TheService) -> Response:
    """The same of one session."""
    if bearer(request.headers) is None:
        return options(())
    asked_session(session_id, request, service)
    return options(service.grant())


def published(session: TheSession, publisher_id: str) -> Session:
    """The session that this publisher sends its picture to."""
    connection = session.published_by
    if connection is None or not same_secret(publisher_id, connection.id):
        raise Problem(404, "there is no such publisher, or it has left")
    return session


def published_anywhere(publisher_id: str, service: TheService) -> Session:
    """The same, by the unguessable address alone: OBS knows no session's token."""
    for session in service.sessions:
        connection = session.published_by
        if (
            session.opened_by_publisher
            and connection is not None
            and same_secret(publisher_id, connection.id)
        ):
            return session
    raise Problem(404, "there is no such publisher, or it has left")


ItsSession = Annotated[Session, Depends(published)]
ItsOwnSession = Annotated[Session, Depends(published_anywhere)]


@router.patch("/v1/sessions/{session_id}/whip/{publisher_id}", status_code=204, responses=TAKEN)
async def add_candidates(session: ItsSession, request: Request) -> Response:
    """Trickle ICE candidates."""
    return await trickle(request, _connection(session))


@router.delete("/v1/sessions/{session_id}/whip/{publisher_id}", response_class=Response, responses=ENDED)
async def stop(session: ItsSession) -> Response:
    """End the publisher's connection, and the session with it."""
    await session.close("its publisher has stopped")
    return Response()


@router.patch("/whip/{publisher_id}", status_code=204, responses=TAKEN)
async def add_own_candidates(session: ItsOwnSession, request: Request) -> Response:
    """Trickle ICE candidates."""
    return await trickle(request, _connection(session))


@router.delete("/whip/{publisher_id}", response_class=Response, responses=ENDED)
async def stop_own(session: ItsOwnSession) -> Response:
    """End the publisher's connection, and the session with it."""
    await session.close("its publisher has stopped")
    return Response()


def _created(answer: str, path: str, session: Session, service: TheService) -> Response:
    connection = _connection(session)
    return created(answer, path + connection.id, session, connection, service.grant())


def _connection(session: Session) -> Connection:
    connection = session.published_by
    if connection is None:
        raise Problem(404, "there is no such publisher, or it has left")
    return connection
