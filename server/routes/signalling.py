"""What offers, WHIP and WHEP have in common over HTTP: RFC 9725 and draft-ietf-wish-whep-03."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fastapi import Request, Response

from server.problems import Problem
from server.rtc.connection import Connection, IceRestartError
from server.rtc.fragment import MalformedFragmentError, parse_fragment
from server.rtc.gathering import NoPortError
from server.rtc.ice import GrantedIceServer
from server.rtc.offer import MalformedOfferError, UnusableOfferError
from server.session.errors import AlreadyConnectedError, SessionClosedError
from server.session.session import Session
from server.session.viewers import TooManyViewersError

SDP_TYPE = "application/sdp"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"
RETRY_AFTER_S = 5


async def read_offer(request: Request) -> str:
    """An SDP offer's text.

    Raises:
        Problem: 415 for another type, 400 for what is no text.
    """
    _require_type(request, SDP_TYPE, "an offer")
    return await _read_text(request)


@contextmanager
def refusals() -> Iterator[None]:
    """Translate why an offer is not answered."""
    try:
        yield
    except MalformedOfferError as error:
        raise Problem(400, str(error)) from error
    except UnusableOfferError as error:
        raise Problem(422, str(error)) from error
    except NoPortError as error:
        raise Problem(503, str(error), {"Retry-After": str(RETRY_AFTER_S)}) from error
    except AlreadyConnectedError:
        raise Problem(409, "the session is already connected: open another") from None
    except TooManyViewersError:
        raise Problem(
            503, "the session has as many viewers as it may", {"Retry-After": str(RETRY_AFTER_S)}
        ) from None
    except SessionClosedError:
        raise Problem(404, "there is no such session, or it has ended") from None


def created(
    answer: str,
    location: str,
    session: Session,
    connection: Connection,
    ice_servers: Sequence[GrantedIceServer],
) -> Response:
    """201 with an SDP answer, where to end what it began, and whose it is (RFC 9725, section 4.2)."""
    response = Response(answer, 201, {"Location": location, "ETag": entity_tag(connection)}, SDP_TYPE)
    name_ice_servers(response, ice_servers)
    response.headers.append("Link", f'</v1/sessions/{session.id}>; rel="related"')
    return response


def name_ice_servers(response: Response, ice_servers: Sequence[GrantedIceServer]) -> None:
    """Add a ``Link`` header for each address of each server (RFC 9725, section 4.6)."""
    for server in ice_servers:
        for link in server.links:
            response.headers.append("Link", link)


def options(ice_servers: Sequence[GrantedIceServer]) -> Response:
    """What an endpoint takes, and the servers to set before an offer is made (RFC 9725, section 4.6)."""
    response = Response(None, 204, {"Accept-Post": SDP_TYPE, "Cache-Control": "no-store"})
    name_ice_servers(response, ice_servers)
    return response


def entity_tag(connection: Connection) -> str:
    """The strong entity tag of a connection's ICE session."""
    return f'"{connection.ice_tag}"'


async def trickle(request: Request, connection: Connection) -> Response:
    """Take candidates that were found after the offer (RFC 9725, section 4.3).

    Raises:
        Problem: 415, 400, 428 without the ICE session's tag, 412 with another, 422 for an ICE restart.
    """
    _require_type(request, FRAGMENT_TYPE, "a trickled candidate")
    given = request.headers.get("if-match")
    if given is None:
        raise Problem(428, "a PATCH needs the ICE session's ETag as If-Match (RFC 9725)")
    try:
        fragment = parse_fragment(await _read_text(request))
        if given.strip() != "*" and entity_tag(connection) not in [tag.strip() for tag in given.split(",")]:
            raise Problem(412, "the ICE session has another ETag")
        await connection.add_candidates(fragment)
    except MalformedFragmentError as error:
        raise Problem(400, str(error)) from error
    except IceRestartError:
        raise Problem(422, "ICE cannot be restarted here: end this connection and open another") from None
    # Without an ETag, which would be that of an ICE restart (RFC 9725, section 4.3.2).
    return Response(status_code=204)


def _require_type(request: Request, wanted: str, what: str) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != wanted:
        raise Problem(
            415,
            f"{what} is {wanted}, not {media_type or 'of no type'}",
            {"Accept": wanted, "Accept-Post" if wanted == SDP_TYPE else "Accept-Patch": wanted},
        )


async def _read_text(request: Request) -> str:
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise Problem(400, "the body is not UTF-8 text") from None
