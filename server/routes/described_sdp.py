"""SDP as the interface's description shows it: what a body of it begins with, and an offer that is answered."""

from typing import Any

from server.routes.signalling import FRAGMENT_TYPE, SDP_TYPE

OFFER_SCHEMA = {
    "type": "string",
    "pattern": r"^v=0\r?\n",
    "description": "A whole SDP offer (RFC 8866, RFC 8829); grammar and media are checked, which no schema can say.",
}
_FRAGMENT_SCHEMA = {"type": "string", "description": "Candidates as an SDP fragment (RFC 8840)."}
EXAMPLE_FRAGMENT = "a=mid:0\r\na=candidate:1 1 UDP 2130706431 192.0.2.1 49170 typ host\r\n"

_IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": r'^(\*|"[!#-~]+")$'},
    "description": "The ETag that came with the answer (RFC 9725, section 4.3), or `*`.",
}

_TRANSPORT = """c=IN IP4 0.0.0.0
a=ice-ufrag:F7gI
a=ice-pwd:x9cml6RyK4XVFzA2vNMGYJZE
a=fingerprint:sha-256 \
4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF
a=setup:actpass
a=mid:0
"""


def _offer(section: str) -> str:
    text = f"v=0\no=- 3980 1 IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE 0\n{section}"
    return text.replace("\n", "\r\n")


def video_offer(direction: str) -> str:
    """An offer of one VP8 picture.

    Args:
        direction: As `sendrecv`.
    """
    section = (
        f"m=video 9 UDP/TLS/RTP/SAVPF 96\n{_TRANSPORT}a={direction}\na=rtcp-mux\na=rtpmap:96 VP8/90000\n"
    )
    return _offer(section)


def channel_offer() -> str:
    """An offer of data channels alone."""
    return _offer(f"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n{_TRANSPORT}a=sctp-port:5000\n")


ANSWER = (
    "v=0\r\no=- 3980 1 IN IP4 192.0.2.7\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=video 40312 UDP/TLS/RTP/SAVPF 96\r\n…\r\n"
)
"""As far as it is of use to a reader."""

_OFFERS = {
    "/offer": video_offer("sendrecv"),
    "/whip": video_offer("sendonly"),
    "/whep": video_offer("recvonly"),
    "/probe": channel_offer(),
}


def describe_sdp(paths: dict[str, dict[str, Any]]) -> None:
    """Add to the description's paths what bodies of SDP are, and an example of each."""
    for path, operations in paths.items():
        for ending, offer in _OFFERS.items():
            if path.endswith(ending) and "post" in operations:
                operations["post"]["requestBody"] = _body(SDP_TYPE, OFFER_SCHEMA, offer)
        if "patch" in operations and path.endswith(("/whip/{publisher_id}", "/whep/{viewer_id}")):
            operations["patch"]["requestBody"] = _body(FRAGMENT_TYPE, _FRAGMENT_SCHEMA, EXAMPLE_FRAGMENT)
            operations["patch"].setdefault("parameters", []).append(_IF_MATCH)


def _body(media_type: str, schema: dict[str, str], example: str) -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema, "example": example}}, "required": True}
