"""What a client needs to know of the way here before it opens a session, and a way to try it."""

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from server.problems import Problem
from server.routes.asked import example, problems
from server.routes.described_sdp import ANSWER
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


NETWORK = {
    "ice_servers": [
        {
            "urls": ["turn:turn.example.org:3478?transport=udp"],
            "username": "1769882531:afterimage",
            "credential": "w7Jk0v2GxJ0zQeZbVbq1mB4x3Hs=",
        }
    ],
    "udp_ports": "40000-40199",
    "public_addresses": ["203.0.113.7"],
    "codecs": ["VP8", "H264"],
}


@router.get("", responses=example(200, NETWORK, "Credentials begin now."))
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
    responses=example(200, ANSWER, "The SDP answer, all candidates in it.", SDP_TYPE)
    | problems(400, 415, 422, 503, _400="the offer is not SDP", _503="others are checking their connection"),
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
