"""Watching over WHEP (draft-ietf-wish-whep-03): any number of viewers of one session's edit."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from server.access import bearer, same_secret
from server.problems import Problem
from server.routes.signalling import RETRY_AFTER_S, created, read_offer, refusals, trickle
from server.routes.whip import ANSWERED, ENDED, TAKEN
from server.rtc.viewer import Viewer
from server.service import Service, TheService, TheSession
from server.session.session import Session

router = APIRouter(tags=["whep"])


@router.post(
    "/v1/sessions/{session_id}/whep",
    status_code=201,
    response_class=Response,
    responses=ANSWERED,
)
async def watch(session: TheSession, request: Request, service: TheService) -> Response:
    """Show a viewer the session's edit, from a key frame on."""
    return await _watch(session, f"/v1/sessions/{session.id}/whep/", request, service)


@router.post(
    "/whep",
    status_code=201,
    response_class=Response,
    responses=ANSWERED,
)
async def watch_newest(request: Request, service: TheService) -> Response:
    """Show a viewer the newest session that was opened by `POST /whip` with the same bearer token."""
    session = _newest_published(service, bearer(request.headers))
    return await _watch(session, "/whep/", request, service)


def viewer_of(session: TheSession, viewer_id: str) -> tuple[Session, Viewer]:
    """A session's viewer."""
    viewer = session.find_viewer(viewer_id)
    if viewer is None:
        raise Problem(404, "there is no such viewer, or it has left")
    return session, viewer


def viewer_anywhere(viewer_id: str, service: TheService) -> tuple[Session, Viewer]:
    """The same, by the unguessable address alone."""
    for session in service.sessions:
        viewer = session.find_viewer(viewer_id)
        if viewer is not None and session.opened_by_publisher:
            return session, viewer
    raise Problem(404, "there is no such viewer, or it has left")


ItsViewer = Annotated[tuple[Session, Viewer], Depends(viewer_of)]
ItsOwnViewer = Annotated[tuple[Session, Viewer], Depends(viewer_anywhere)]


@router.patch("/v1/sessions/{session_id}/whep/{viewer_id}", status_code=204, responses=TAKEN)
async def add_candidates(viewing: ItsViewer, request: Request) -> Response:
    """Trickle ICE candidates."""
    return await trickle(request, viewing[1].connection)


@router.delete("/v1/sessions/{session_id}/whep/{viewer_id}", response_class=Response, responses=ENDED)
async def leave(viewing: ItsViewer) -> Response:
    """End a viewer's connection."""
    await viewing[0].end_view(viewing[1])
    return Response()


@router.patch("/whep/{viewer_id}", status_code=204, responses=TAKEN)
async def add_own_candidates(viewing: ItsOwnViewer, request: Request) -> Response:
    """Trickle ICE candidates."""
    return await trickle(request, viewing[1].connection)


@router.delete("/whep/{viewer_id}", response_class=Response, responses=ENDED)
async def leave_own(viewing: ItsOwnViewer) -> Response:
    """End a viewer's connection."""
    await viewing[0].end_view(viewing[1])
    return Response()


async def _watch(session: Session, path: str, request: Request, service: Service) -> Response:
    offer = await read_offer(request)
    with refusals():
        viewer, answer = await session.view(offer)
    connection = viewer.connection
    return created(answer, path + connection.id, session, connection, service.grant())


def _newest_published(service: Service, given: str | None) -> Session:
    for session in reversed(tuple(service.sessions)):
        if not session.opened_by_publisher:
            continue
        # With a token the server has asked for it already; without, who published may have chosen one.
        chosen = session.token_chosen
        if service.token is not None or not chosen or same_secret(given, session.token):
            return session
    raise Problem(404, "nobody publishes here yet", {"Retry-After": str(RETRY_AFTER_S)})
