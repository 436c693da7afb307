"""What a client needs to know of the way here before it opens a session, and a way to try it."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from server.problems import Problem
from server.routes.signalling import RETRY_AFTER_S, SDP_TYPE, read_offer, refusals
from server.rtc.ice import GrantedIceServer
from server.rtc.probe import TooManyProbesError
from server.service import TheService

router = APIRouter(prefix="/v1/network", tags=["network"])


class NetworkSummary(BaseModel):
    """How to reach the server's peers."""

    ice_servers: tuple[GrantedIceServer, ...]
    """STUN and TURN servers for a browser's RTCPeerConnection."""
    udp_ports: str | None
    """The range that pictures come in by; null for any port."""
    public_addresses: tuple[str, ...]
    """Where those ports are reached from outside."""
    codecs: tuple[str, ...]
    """What the server takes and sends."""


@router.get("")
async def show_network(service: TheService, response: Response) -> NetworkSummary:
    """STUN and TURN servers with credentials that begin now, ports and codecs."""
    # Credentials are nothing to keep.
    response.headers["Cache-Control"] = "no-store"
    network = service.network
    return NetworkSummary(
        ice_servers=service.grant(),
        udp_ports=None if network.udp_ports is None else str(network.udp_ports),
        public_addresses=network.public_addresses,
        codecs=("VP8", "H264"),
    )


@router.post(
    "/probe",
    response_class=Response,
    responses={200: {"content": {SDP_TYPE: {}}, "description": "The SDP answer, all candidates in it."}},
)
async def probe(request: Request, service: TheService) -> Response:
    """Answer an SDP offer of a data channel that echoes, for some seconds: whether packets get through.

    It takes no session's place; 503 when others are checking.
    """
    offer = await read_offer(request)
    try:
        with refusals():
            answer = await service.probes.answer(offer)
    except TooManyProbesError:
        wait = {"Retry-After": str(RETRY_AFTER_S)}
        raise Problem(503, "others are checking their connection, try again in a moment", wait) from None
    return Response(answer, media_type=SDP_TYPE)
