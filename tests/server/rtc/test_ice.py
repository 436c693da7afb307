import pytest
from pydantic import ValidationError

from server.rtc.ice import (
    GrantedIceServer,
    IceServer,
    IceUrl,
    Network,
    PortRange,
    limited_credential,
    parse_addresses,
    parse_ice_servers,
    parse_ice_url,
    parse_port_range,
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("stun:stun.example.org", IceUrl("stun", "stun.example.org", 3478, "udp")),
        ("stuns:stun.example.org", IceUrl("stuns", "stun.example.org", 5349, "tcp")),
        ("turn:turn.example.org:80?transport=tcp", IceUrl("turn", "turn.example.org", 80, "tcp")),
        ("turns:turn.example.org", IceUrl("turns", "turn.example.org", 5349, "tcp")),
        ("turn:[2001:db8::1]:3479", IceUrl("turn", "2001:db8::1", 3479, "udp")),
        ("turn:203.0.113.7", IceUrl("turn", "203.0.113.7", 3478, "udp")),
    ],
)
def test_addresses_are_read(text: str, url: IceUrl) -> None:
    assert parse_ice_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "turn.example.org",
        "http://turn.example.org",
        "turn://turn.example.org",
        "stun:a?transport=udp",
        "turns:a?transport=udp",
        "turn:a?transport=sctp",
        "turn:a:0",
        "turn:a:99999",
        "turn:user@a",
        "turn:a b",
        "turn:2001:db8::1",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"STUN|TURN|port"):
        parse_ice_url(text)


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"urls": "turn:a"}, "needs username and credential, or its secret"),
        ({"urls": "turn:a", "username": "u"}, "needs username and credential, or its secret"),
        (
            {"urls": "turn:a", "username": "u", "credential": "c", "secret": "s"},
            "needs username and credential",
        ),
        ({"urls": "turn:a", "secret": " "}, "secret must not be empty"),
        ({"urls": "stun:a", "secret": "s"}, "takes no secret"),
        ({"urls": ["stun:a", "turn:a"], "secret": "s"}, "separate servers"),
        ({"urls": []}, "at least 1"),
        ({"urls": "stun:a", "user": "x"}, "Extra inputs"),
    ],
)
def test_servers_that_cannot_work_are_refused_without_naming_their_secrets(
    server: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match=said) as refused:
        IceServer.model_validate(server)
    assert "input_value" not in str(refused.value)


def test_limited_credentials_are_those_of_coturns_scheme() -> None:
    # printf 1700000000:ann | openssl dgst -sha1 -hmac north -binary | base64
    assert limited_credential("north", "ann", 1_700_000_000) == (
        "1700000000:ann",
        "jeamH6dA5l2I9g3jmieza7CzEDo=",
    )


def test_a_grant_begins_when_it_is_made() -> None:
    servers = (
        IceServer.model_validate({"urls": "stun:a"}),
        IceServer.model_validate(
            {"urls": ["turn:a", "turn:a?transport=tcp"], "secret": "s", "username": "ann"}
        ),
        IceServer.model_validate({"urls": "turn:b", "username": "u", "credential": "c"}),
    )
    stun, limited, fixed = Network(servers, credential_lifetime_s=600).grant(1000.5)
    assert stun == GrantedIceServer(urls=("stun:a",))
    assert limited.username == "1600:ann"
    assert fixed == GrantedIceServer(urls=("turn:b",), username="u", credential="c")


def test_links_quote_what_they_name() -> None:
    server = GrantedIceServer(urls=("turn:a", "turn:a?transport=tcp"), username='say "u"', credential="c\\")
    assert server.links == (
        r'<turn:a>; rel="ice-server"; username="say \"u\""; credential="c\\"; credential-type="password"',
        r'<turn:a?transport=tcp>; rel="ice-server"; username="say \"u\""; credential="c\\"; '
        r'credential-type="password"',
    )
    assert GrantedIceServer(urls=("stun:a",)).links == ('<stun:a>; rel="ice-server"',)


def test_ranges_addresses_and_lists_are_read_and_what_is_none_is_refused() -> None:
    assert parse_port_range("50000 - 50100") == PortRange(50000, 50100)
    assert len(PortRange(50000, 50100)) == 101
    assert parse_port_range("") is None
    assert parse_addresses("203.0.113.7, [2001:DB8::7]") == ("203.0.113.7", "2001:db8::7")
    assert parse_addresses("") == ()
    assert parse_ice_servers("") == ()
    assert parse_ice_servers('[{"urls": "stun:a"}]') == [{"urls": "stun:a"}]
    for wrong in ("50000", "50100-50000", "80-90", "50000-70000", "a-b"):
        with pytest.raises(ValueError, match="range of ports"):
            parse_port_range(wrong)
    for wrong in ("my.host", "0.0.0.0", "224.0.0.1", "1.2.3"):
        with pytest.raises(ValueError, match="address"):
            parse_addresses(wrong)
    for wrong in ("stun:a", "{}", "[", '"stun:a"'):
        with pytest.raises(ValueError, match="JSON list"):
            parse_ice_servers(wrong)
