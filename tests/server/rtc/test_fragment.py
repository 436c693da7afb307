import pytest

from server.rtc.fragment import MalformedFragmentError, parse_fragment

# RFC 9725, figure 8.
FRAGMENT = (
    "a=group:BUNDLE 0 1\r\n"
    "a=ice-ufrag:EsAw\r\n"
    "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
    "a=mid:0\r\n"
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n"
    "a=candidate:3471623853 1 udp 2122194687 abc.local 61765 typ host generation 0 ufrag EsAw network-id 2\r\n"
    "a=end-of-candidates\r\n"
)


def test_the_rfcs_own_is_read() -> None:
    fragment = parse_fragment(FRAGMENT)
    assert fragment.credentials == ("EsAw", "P2uYro0UCOQ4zxjKXaWCBui1")
    assert [(item.ip, item.port, item.sdpMid) for item in fragment.candidates] == [("192.0.2.1", 61764, "0")]
    assert fragment.ended


def test_a_candidate_before_any_section_is_the_first_ones() -> None:
    (candidate,) = parse_fragment("a=candidate:1 1 udp 1 192.0.2.1 9 typ host\n").candidates
    assert (candidate.sdpMid, candidate.sdpMLineIndex) == (None, 0)


@pytest.mark.parametrize("text", ["hello", "a=candidate:", "a=candidate:1 x udp 1 192.0.2.1 9 typ host"])
def test_what_is_none_is_said_to_be_none(text: str) -> None:
    with pytest.raises(MalformedFragmentError):
        parse_fragment(text)
