"""How peers find a way to each other: STUN and TURN servers, our own UDP ports and public addresses.

Values and pure functions; `server.rtc.gathering` puts them to use.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from server.json_list import json_list

CREDENTIAL_USER = "afterimage"

_URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[0-9a-fA-F:.]+\]|[^\s\[\]:?/@]+)(:(?P<port>\d{1,5}))?"
    r"(\?transport=(?P<transport>udp|tcp))?"
)


@dataclass(frozen=True)
class IceUrl:
    """A STUN or TURN server's address (RFC 7064, RFC 7065), read."""

    scheme: str
    """``stun``, ``stuns``, ``turn`` or ``turns``."""
    host: str
    """A name or an address, an IPv6 address without its brackets."""
    port: int
    transport: str
    """``udp`` or ``tcp``."""


def parse_ice_url(text: str) -> IceUrl:
    """Read a STUN or TURN URI.

    Raises:
        ValueError: It is none; says what one looks like.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no STUN or TURN address, as stun:stun.example.org:3478 or "
            "turn:turn.example.org:3478?transport=udp"
        )
    scheme, transport = match["scheme"], match["transport"]
    if scheme.startswith("stun") and transport is not None:
        raise ValueError(f"{text!r}: a STUN address has no ?transport= (RFC 7064)")
    if scheme == "turns" and transport == "udp":
        raise ValueError(f"{text!r}: TURN over DTLS is not supported, leave ?transport=udp out")
    secure = scheme.endswith("s")
    port = int(match["port"] or (5349 if secure else 3478))
    if not 1 <= port <= 65535:
        raise ValueError(f"{text!r}: a port is 1 to 65535")
    return IceUrl(scheme, match["host"].strip("[]"), port, transport or ("tcp" if secure else "udp"))


def _one_or_many(urls: object) -> object:
    return (urls,) if isinstance(urls, str) else urls


class IceServer(BaseModel):
    """A STUN or TURN server as browsers are told of one (WebRTC section 4.2.4), or with a secret to make that of."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    urls: Annotated[tuple[str, ...], BeforeValidator(_one_or_many), Field(min_length=1)]
    username: str | None = None
    credential: SecretStr | None = None
    secret: SecretStr | None = None
    """Shared with the TURN server (coturn's ``static-auth-secret``): credentials are then made for a limited time."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        relays = {url: parse_ice_url(url).scheme.startswith("turn") for url in self.urls}
        named = ", ".join(self.urls)
        given = {
            "username": self.username,
            "credential": None if self.credential is None else self.credential.get_secret_value(),
            "secret": None if self.secret is None else self.secret.get_secret_value(),
        }
        has = {name for name, value in given.items() if value is not None}
        empty = sorted(name for name in has if not str(given[name]).strip())
        if empty:
            raise ValueError(f"{named}: {' and '.join(empty)} must not be empty")
        if any(relays.values()) != all(relays.values()):
            raise ValueError(f"{named}: list STUN and TURN addresses as separate servers")
        if not any(relays.values()):
            if has:
                raise ValueError(f"{named}: a STUN server takes no {' and '.join(sorted(has))}")
        elif has not in ({"username", "credential"}, {"secret"}, {"secret", "username"}):
            raise ValueError(f"{named}: a TURN server needs username and credential, or its secret")
        return self

    @property
    def relays(self) -> bool:
        """Whether it is a TURN server."""
        return parse_ice_url(self.urls[0]).scheme.startswith("turn")


class GrantedIceServer(BaseModel):
    """A STUN or TURN server with what one peer may use it by; a browser's RTCIceServer."""

    model_config = ConfigDict(frozen=True)

    urls: tuple[str, ...]
    username: str | None = None
    credential: str | None = None

    @property
    def links(self) -> tuple[str, ...]:
        """The values of ``Link`` headers that name it (RFC 9725 section 4.6)."""
        parameters = ""
        if self.username is not None and self.credential is not None:
            parameters = (
                f"; username={_quoted(self.username)}; credential={_quoted(self.credential)}"
                '; credential-type="password"'
            )
        return tuple(f'<{url}>; rel="ice-server"{parameters}' for url in self.urls)


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110 section 5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def limited_credential(secret: str, user: str, expires_unix_s: int) -> tuple[str, str]:
    """A username and password that a TURN server with the same secret takes until a time.

    The scheme of draft-uberti-behave-turn-rest-00 section 2.2, which coturn calls ``use-auth-secret``: the username
    is the time of expiry and a name, the password its HMAC-SHA1 in base 64.

    Args:
        secret: Shared with the TURN server.
        user: A name for its log.
        expires_unix_s: When the credential ends, in Unix seconds.
    """
    username = f"{expires_unix_s}:{user}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def grant(server: IceServer, expires_unix_s: int) -> GrantedIceServer:
    """What a peer may use a server by."""
    if server.secret is not None:
        user = server.username or CREDENTIAL_USER
        username, credential = limited_credential(server.secret.get_secret_value(), user, expires_unix_s)
        return GrantedIceServer(urls=server.urls, username=username, credential=credential)
    credential_ = None if server.credential is None else server.credential.get_secret_value()
    return GrantedIceServer(urls=server.urls, username=server.username, credential=credential_)


@dataclass(frozen=True)
class PortRange:
    """UDP ports from one to another, both taken."""

    low: int
    high: int

    def __len__(self) -> int:
        """How many."""
        return self.high - self.low + 1

    def __str__(self) -> str:
        """As it is set."""
        return f"{self.low}-{self.high}"


def parse_port_range(text: object) -> object:
    """Read ``50000-50100``, or nothing for any port; what is no text is left for the type to be checked.

    Raises:
        ValueError: It is no such range.
    """
    if not isinstance(text, str):
        return text
    if not text.strip():
        return None
    match = re.fullmatch(r"\s*(\d{1,5})\s*-\s*(\d{1,5})\s*", text)
    if match is None:
        raise ValueError(f"{text!r} is no range of ports, as 50000-50100")
    low, high = int(match[1]), int(match[2])
    if not 1024 <= low <= high <= 65535:
        raise ValueError(f"{text!r}: a range of ports goes up, from 1024 at least to 65535 at most")
    return PortRange(low, high)


def parse_addresses(text: object) -> object:
    """Read IP addresses with commas between; what is no text is left for the type to be checked.

    Raises:
        ValueError: One is no address, or none that others could reach.
    """
    if not isinstance(text, str):
        return text
    addresses = []
    for part in filter(None, (part.strip().strip("[]") for part in text.split(","))):
        try:
            address = ip_address(part)
        except ValueError:
            raise ValueError(f"{part!r} is no IP address, as 203.0.113.7 or 2001:db8::7") from None
        if address.is_unspecified or address.is_multicast:
            raise ValueError(f"{part} is no address that anyone could send to")
        addresses.append(str(address))
    return tuple(addresses)


@dataclass(frozen=True)
class Network:
    """How peers reach the server, and what they are told to reach it by.

    Attributes:
        ice_servers: STUN and TURN servers, for both sides.
        credential_lifetime_s: For how long a credential made of a secret may open new relays.
        udp_ports: Where our peers listen; any free port without it.
        public_addresses: Where our ports can be reached from outside, besides this machine's own addresses.
    """

    ice_servers: tuple[IceServer, ...] = ()
    credential_lifetime_s: int = 86_400
    udp_ports: PortRange | None = None
    public_addresses: tuple[str, ...] = ()

    def grant(self, now_unix_s: float) -> tuple[GrantedIceServer, ...]:
        """The servers with credentials that begin now."""
        expires_unix_s = int(now_unix_s) + self.credential_lifetime_s
        return tuple(grant(server, expires_unix_s) for server in self.ice_servers)


def parse_ice_servers(value: object) -> object:
    """Read the JSON of ``AFTERIMAGE_ICE_SERVERS``; raises ValueError for anything but a list."""
    return json_list(value, 'servers, as [{"urls": "stun:stun.example.org:3478"}]')
