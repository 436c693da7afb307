"""An SDP offer, checked before aiortc is given it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aiortc.codecs import CODECS
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.sdp import MediaDescription, SessionDescription

from server.rtc.picture_limits import H264_DEFAULT, PictureLimit, h264_limit, vp8_limit

MAX_CANDIDATES = 100
MAX_MEDIA_SECTIONS = 16
MAX_LINES, MAX_FORMATS = 1000, 128
"""Of an offer, and of one of its sections, where 128 payload types are all there are. aiortc goes through a section's
formats for each of its lines, on the event loop: a body of 220 kB held up every session for minutes."""

_PROFILE = re.compile(
    r"(?P<before>^a=fmtp:(?P<type>\d{1,3}) [^\r\n]*?profile-level-id=)(?P<profile>[0-9a-fA-F]{6})",
    re.MULTILINE,
)

_VIDEO_CODEC = re.compile(r"a=rtpmap:(?P<type>\d{1,3}) (?:VP8|H264)/90000")
_VIDEO_PARAMETERS = re.compile(r"a=fmtp:(?P<type>\d{1,3}) ")


@dataclass(frozen=True)
class Chosen:
    """The codec to send a receiver, and what it takes of it."""

    payload_type: int
    codec: str
    limit: PictureLimit


class MalformedOfferError(ValueError):
    """The text is not SDP."""


class UnusableOfferError(ValueError):
    """It is SDP, but nothing to edit can come of it."""


def parse_offer(text: str) -> SessionDescription:
    """Read an offer of at least one camera.

    Raises:
        MalformedOfferError: The text is not SDP.
        UnusableOfferError: It offers no video, none in a known codec, or leaves out what WebRTC requires.
    """
    return _read_with(text, is_camera, "the offer sends no video: there is nothing to edit")


def parse_publish_offer(text: str) -> SessionDescription:
    """Read a publisher's offer: as `parse_offer`, and any sound in it has to be Opus, which is passed on.

    Raises:
        MalformedOfferError: The text is not SDP.
        UnusableOfferError: As for `parse_offer`, or its sound cannot be Opus.
    """
    offer = parse_offer(text)
    for media in offer.media:
        if media.kind == "audio" and not any(codec.name.lower() == "opus" for codec in media.rtp.codecs):
            raise UnusableOfferError(f"the sound is offered as {_names(media)} only: set the encoder to Opus")
    return offer


def parse_view_offer(text: str) -> SessionDescription:
    """Read a viewer's offer.

    Raises:
        MalformedOfferError: The text is not SDP.
        UnusableOfferError: It takes no video, none in a known codec, or leaves out what WebRTC requires.
    """
    return _read_with(text, _is_screen, "the offer takes no video: there is nothing to show (a=recvonly)")


def parse_probe_offer(text: str) -> SessionDescription:
    """Read an offer of a data channel.

    Raises:
        MalformedOfferError: The text is not SDP.
        UnusableOfferError: It offers none, or leaves out what WebRTC requires.
    """
    return _read_with(text, _is_data_channel, "the offer has no data channel to send back what comes")


def is_camera(media: MediaDescription) -> bool:
    """Whether a section sends a picture."""
    return media.kind == "video" and _sends(media)


def is_microphone(media: MediaDescription) -> bool:
    """Whether a section sends sound."""
    return media.kind == "audio" and _sends(media)


def choose_codec(
    offer: SessionDescription, profiles: Mapping[int, str], negotiated: Mapping[int, str]
) -> Chosen:
    """What to send a receiver: the first codec it names that it takes in a form we can make.

    Args:
        offer: The receiver's, as `as_baseline` left it.
        profiles: The receiver's own H.264 profiles and levels, by payload type.
        negotiated: Codec names by payload type, in the receiver's order.

    Raises:
        UnusableOfferError: There is none; says what it takes.
    """
    vp8_parameters = {
        codec.payloadType: codec.parameters
        for media in offer.media
        for codec in media.rtp.codecs
        if codec.name == "VP8"
    }
    refused: list[str] = []
    for payload_type, name in negotiated.items():
        if name == "VP8":
            return Chosen(payload_type, name, vp8_limit(vp8_parameters.get(payload_type, {})))
        if name == "H264":
            try:
                limit = h264_limit(profiles.get(payload_type, H264_DEFAULT))
            except ValueError as error:
                refused.append(str(error))
            else:
                return Chosen(payload_type, name, limit)
    raise UnusableOfferError(
        f"the offer takes {' and '.join(dict.fromkeys(refused))}, which is less than anything sent here: "
        "let it take VP8, or H.264 from level 1.2 on"
    )


def as_baseline(text: str) -> tuple[str, dict[int, str]]:
    """The offer with every H.264 profile said to be Constrained Baseline, and what each was, by payload type.

    Our decoder reads all profiles and levels, and nearly every viewer's reads the Constrained Baseline that we send,
    as far as its level goes (`choose_codec`); aiortc takes two profiles and would refuse OBS on "high" and a player
    of "main" alone.
    """
    profiles: dict[int, str] = {}

    def baseline(match: re.Match[str]) -> str:
        profiles[int(match["type"])] = match["profile"]
        return f"{match['before']}42e01f"

    return _PROFILE.sub(baseline, text), profiles


def with_profiles(answer: str, profiles: dict[int, str]) -> str:
    """An answer that names the offer's own H.264 profiles again."""

    def restored(match: re.Match[str]) -> str:
        return match["before"] + profiles.get(int(match["type"]), match["profile"])

    return _PROFILE.sub(restored, answer)


def with_bitrate(answer: str, start_bps: int, max_bps: int) -> str:
    """An answer that lets a browser's encoder begin and go as high as we are set to.

    Chromium and Safari start at 300 kbit/s otherwise and grow by eight percent a second, half a minute to a good
    picture; others ignore the hint. The names are libwebrtc's, of RFC 4566 parameters.
    """
    hint = f"x-google-start-bitrate={start_bps // 1000};x-google-max-bitrate={max_bps // 1000}"
    lines: list[str] = []
    for line in answer.splitlines():
        kept = _VIDEO_PARAMETERS.match(line)
        is_video = kept is not None and kept["type"] in _video_types(answer)
        lines.append(f"{line};{hint}" if is_video else line)
        named = _VIDEO_CODEC.match(line)
        if named and f"a=fmtp:{named['type']} " not in answer:
            lines.append(f"a=fmtp:{named['type']} {hint}")
    return "\r\n".join(lines) + "\r\n"


def _video_types(answer: str) -> set[str]:
    return {match["type"] for match in map(_VIDEO_CODEC.match, answer.splitlines()) if match}


def _read_with(text: str, wanted: Callable[[MediaDescription], bool], without: str) -> SessionDescription:
    """Read an offer that has a certain section, or say what is wrong without one."""
    offer = _read(text)
    if not any(wanted(media) for media in offer.media):
        raise UnusableOfferError(without)
    return offer


def _read(text: str) -> SessionDescription:
    if not text.lstrip().startswith("v=0"):
        raise MalformedOfferError("the body is not SDP: it does not begin with v=0")
    _require_readable(text.splitlines())
    try:
        offer = SessionDescription.parse(text)
    except (
        ValueError,
        AssertionError,
        KeyError,
        IndexError,
        StopIteration,
        AttributeError,
        TypeError,
    ) as error:
        # aiortc reads line by line and lets whatever a bad line causes through.
        raise MalformedOfferError("the body is not SDP: a line could not be read") from error

    if not offer.media:
        raise UnusableOfferError("the offer has no media")
    if len(offer.media) > MAX_MEDIA_SECTIONS:
        raise UnusableOfferError(f"the offer has more than {MAX_MEDIA_SECTIONS} media sections")
    for media in offer.media:
        _require_webrtc(media)
    mids = [media.rtp.muxId for media in offer.media]
    if not all(mids) or len(set(mids)) < len(mids):
        raise UnusableOfferError("the offer's media sections need distinct a=mid lines (RFC 9143)")
    for group in offer.group:
        if group.semantic == "BUNDLE" and not set(map(str, group.items)) <= set(mids):
            raise UnusableOfferError("the offer bundles a media section that it does not have")
    return offer


def without_mdns(text: str) -> str:
    """The offer without candidates that are mDNS names.

    They would be looked up on the network for up to a second each. The browser's own checks reach the server's
    addresses all the same and reveal where it is (RFC 8445 section 7.3.1.3).
    """
    lines = text.splitlines()
    kept = [line for line in lines if not (line.startswith("a=candidate:") and ".local " in line)]
    if not any(line.startswith("a=candidate:") for line in kept):
        kept = [line for line in kept if line != "a=end-of-candidates"]
    return "\r\n".join(kept) + "\r\n"


def _require_readable(lines: Sequence[str]) -> None:
    if len(lines) > MAX_LINES:
        raise UnusableOfferError(f"the offer has more than {MAX_LINES} lines")
    formats = 0
    for line in lines:
        formats = 0 if line.startswith("m=") else formats + line.startswith("a=rtpmap:")
        if formats > MAX_FORMATS:
            raise UnusableOfferError(f"a section of the offer has more than {MAX_FORMATS} formats")


def _require_webrtc(media: MediaDescription) -> None:
    if media.kind == "application":
        if "SCTP" not in media.profile:
            raise UnusableOfferError(
                f"the offer has an application section that is not a data channel: {media.profile}"
            )
        if media.profile != "DTLS/SCTP" and media.sctp_port is None:
            raise UnusableOfferError("the offer's data channel section has no a=sctp-port line (RFC 8841)")
    elif media.kind not in ("audio", "video"):
        raise UnusableOfferError(f"the offer has a section of an unknown kind: {media.kind}")
    if media.ice is None or not media.ice.usernameFragment or not media.ice.password:
        raise UnusableOfferError(f"the offer's {media.kind} section has no ICE credentials (RFC 8839)")
    if media.dtls is None or media.dtls.role is None or not media.dtls.fingerprints:
        raise UnusableOfferError(
            f"the offer's {media.kind} section lacks a=fingerprint or a=setup (RFC 8842)"
        )
    if len(media.ice_candidates) > MAX_CANDIDATES:
        raise UnusableOfferError(
            f"the offer's {media.kind} section has more than {MAX_CANDIDATES} candidates"
        )
    if media.kind in ("audio", "video"):
        if media.direction is None:
            raise UnusableOfferError(f"the offer's {media.kind} section has no direction, as a=sendrecv")
        if not media.rtcp_mux:
            raise UnusableOfferError(f"the offer's {media.kind} section does not multiplex RTCP (RFC 8834)")
        if not find_common_codecs(CODECS[media.kind], media.rtp.codecs):
            raise UnusableOfferError(_no_common_codec(media))


def _no_common_codec(media: MediaDescription) -> str:
    if media.kind == "audio":
        return f"no codec in common: the sound is offered as {_names(media)} only, the server takes Opus"
    return (
        f"no codec in common: the video is offered as {_names(media)} only, the server takes H.264 and VP8. "
        "In OBS choose an H.264 encoder: Settings, Output, Streaming, Video Encoder"
    )


def _names(media: MediaDescription) -> str:
    spoken = {"H265": "H.265 (HEVC)", "H264": "H.264 in single NAL unit mode"}
    helpers = ("rtx", "red", "ulpfec", "flexfec-03", "telephone-event", "CN")
    names = [codec.name for codec in media.rtp.codecs if codec.name not in helpers]
    return " or ".join(dict.fromkeys(spoken.get(name, name) for name in names)) or "nothing we know"


def takes(media: MediaDescription) -> bool:
    """Whether a section is offered to take media: one with port 0 must not be used (RFC 3264, section 5.1)."""
    return media.direction in ("sendrecv", "recvonly") and media.port != 0


def _is_screen(media: MediaDescription) -> bool:
    return media.kind == "video" and takes(media)


def _sends(media: MediaDescription) -> bool:
    return media.direction in ("sendrecv", "sendonly") and media.port != 0


def _is_data_channel(media: MediaDescription) -> bool:
    return media.kind == "application"
