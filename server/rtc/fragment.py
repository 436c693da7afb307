"""A trickled piece of SDP (RFC 8840): candidates that a peer found after its offer."""

from dataclasses import dataclass

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from server.rtc.offer import MAX_CANDIDATES


class MalformedFragmentError(ValueError):
    """The text is no SDP fragment, or makes no sense here."""


@dataclass(frozen=True)
class IceFragment:
    """What a fragment says."""

    credentials: tuple[str, str] | None
    """User fragment and password of the ICE session, if it names it."""
    candidates: tuple[RTCIceCandidate, ...]
    ended: bool
    """There will be no more."""


def parse_fragment(text: str) -> IceFragment:
    """Read a fragment.

    Raises:
        MalformedFragmentError: It is none; says why.
    """
    user, password, mid, index = "", "", None, -1
    candidates: list[RTCIceCandidate] = []
    ended = False
    for line in text.splitlines():
        if not line.strip():
            continue
        kind, equals, value = line.partition("=")
        if len(kind) != 1 or not equals:
            raise MalformedFragmentError("the body is not an SDP fragment: a line is not of the form a=…")
        name, _, said = value.partition(":")
        if kind == "m":
            mid, index = None, index + 1
        elif kind != "a":
            continue
        elif name == "mid":
            mid = said.strip()
        elif name == "ice-ufrag":
            user = said.strip()
        elif name == "ice-pwd":
            password = said.strip()
        elif name == "end-of-candidates":
            ended = True
        elif name == "candidate":
            candidate = _candidate(said, mid, index)
            # As in an offer, a name for the local network is not looked up.
            if not candidate.ip.endswith(".local"):
                candidates.append(candidate)
    if len(candidates) > MAX_CANDIDATES:
        raise MalformedFragmentError(f"the fragment has more than {MAX_CANDIDATES} candidates")
    return IceFragment((user, password) if user and password else None, tuple(candidates), ended)


def _candidate(text: str, mid: str | None, index: int) -> RTCIceCandidate:
    try:
        candidate = candidate_from_sdp(text)
    except (ValueError, AssertionError, IndexError) as error:
        raise MalformedFragmentError("the body is not an SDP fragment: a candidate cannot be read") from error
    # Everything is bundled with the first section, which a candidate before any m= line means as well.
    candidate.sdpMid, candidate.sdpMLineIndex = mid, None if mid is not None else max(0, index)
    return candidate
