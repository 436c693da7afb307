"""Where to watch, read from whichever address of a session a person has at hand."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit, urlunsplit

_SESSION = re.compile(r"(?P<before>.*)/v1/sessions/(?P<id>[^/]+)(/.*)?")
_VIEW = re.compile(r"(?P<before>.*)/view(\.html)?")


class AddressError(ValueError):
    """The address cannot be that of a session; says why."""


@dataclass(frozen=True)
class WatchAddress:
    """What to ask for a session's edit.

    Attributes:
        endpoint: The WHEP endpoint's URL.
        token: The bearer, if the address names one.
        ends: Whether it shows one session, which does not come back once it has ended.
    """

    endpoint: str
    token: str | None
    ends: bool


def parse_address(text: str) -> WatchAddress:
    """Read a session's URL, its WHIP or WHEP URL, a view URL, or a server's own address.

    A server's address, and a view URL without a session, show the newest session published there. Any other path
    is taken for a WHEP endpoint as it stands, another product's perhaps.

    Raises:
        AddressError: It is none of these.
    """
    try:
        parts = urlsplit(text.strip())
        host = parts.hostname
        _ = parts.port
    except ValueError as error:
        raise AddressError(f"{text!r} is not an address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise AddressError(f"{text!r} is not an address: it has to begin with http:// or https:// and a host")
    if "@" in parts.netloc:
        raise AddressError("the address has a user name in it: give the token by --token")

    asked = parse_qs(parts.query) | parse_qs(parts.fragment)
    token = asked.get("token", [None])[-1]
    session = asked.get("session", [None])[-1]
    path = parts.path.rstrip("/")
    if one := _SESSION.fullmatch(path):
        path, ends = f"{one['before']}/v1/sessions/{one['id']}/whep", True
    elif page := _VIEW.fullmatch(path):
        ends = session is not None
        path = page["before"] + (f"/v1/sessions/{session}/whep" if ends else "/whep")
    elif path in ("", "/whip", "/whep"):
        path, ends = "/whep", False
    else:
        return WatchAddress(urlunsplit(parts._replace(fragment="")), token, False)
    return WatchAddress(urlunsplit((parts.scheme, parts.netloc, path, "", "")), token, ends)
