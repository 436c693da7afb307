"""Who may ask for what, and how much they may send: checked before any route is."""

import asyncio
import hmac
import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.cors import SIGNALLING_PATH
from server.problems import Problem, problem_response
from server.settings import is_loopback
from server.token_page import asks_for_page, token_page

MAX_BODY_BYTES = 256 * 1024
LINGER_S = 2.0

PAGE_COOKIE = "afterimage_token"
"""Lets a browser load the page's own files, which it fetches without a bearer; never enough for a call."""

_OPEN_PATHS = ("/livez", "/readyz", "/view")
_OPEN_FILES = "/assets/"
"""What the page is made of says nothing of anyone, and a viewer's page has no server's token."""
_CALLS = ("/v1", "/metrics", "/whip", "/whep")
_PAGE_CHALLENGE = 'Bearer realm="afterimage"'
_SESSION_PATH = re.compile(r"/v1/(sessions|recordings)/[^/]+(/.*)?")


def bearer(headers: Headers) -> str | None:
    """The bearer token of a request (RFC 6750), if it has one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def same_secret(given: str | None, secret: str) -> bool:
    """Whether a token is the secret, in a time that does not tell how nearly."""
    return given is not None and hmac.compare_digest(given.encode(), secret.encode())


class Access:
    """Asks for the server's token, or on loopback refuses pages from elsewhere.

    Without a token any page a person visits could reach a server on their own machine, by its address (then
    ``Origin`` is foreign) or by a name that is made to lead there (then ``Host`` is). Calls on one session may
    bring that session's own token instead; the routes check it.

    Args:
        app: What to guard.
        token: The server's, if one is set.
        allowed_origins: Origins besides the server's own, as browsers say them.
    """

    def __init__(self, app: ASGIApp, token: str | None, allowed_origins: Sequence[str]) -> None:
        self._app, self._token = app, token
        self._allowed_origins = frozenset(allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on or answer it with 401 or 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self._app(scope, receive, send)
        elif refusal.status_code == 401 and self._for_person(scope, headers):
            given = b"token=" in scope["query_string"]
            await token_page(given, {"WWW-Authenticate": _PAGE_CHALLENGE})(scope, receive, send)
        else:
            await problem_response(refusal.status_code, refusal.detail, refusal.headers)(scope, receive, send)

    def _for_person(self, scope: Scope, headers: Headers) -> bool:
        return not scope["path"].startswith(_CALLS) and asks_for_page(scope["method"], headers)

    def _refusal(self, scope: Scope, headers: Headers) -> Problem | None:
        path: str = scope["path"]
        origin = headers.get("origin", "").lower()
        if origin and origin not in self._allowed_origins and not self._own(origin, headers, path):
            return Problem(403, f"pages from {origin} may not use this server")
        if self._token is None:
            if not is_loopback(host_name(headers.get("host", ""))):
                return Problem(
                    403, "this server answers to localhost and 127.0.0.1 only, unless it has a token"
                )
            return None
        if path in _OPEN_PATHS or path.startswith(_OPEN_FILES):
            return None
        if scope["method"] == "OPTIONS" and bearer(headers) is None:
            return None
        if same_secret(bearer(headers), self._token):
            return None
        if _SESSION_PATH.fullmatch(path):
            return None
        if not path.startswith(_CALLS):
            query_token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [None])[0]
            if same_secret(query_token, self._token) or same_secret(page_cookie(headers), self._token):
                return None
            return Problem(
                401,
                "this page needs the server's token: open it as /?token=... once",
                {"WWW-Authenticate": _PAGE_CHALLENGE},
            )
        return Problem(
            401,
            "this call needs the server's token as a bearer",
            {"WWW-Authenticate": 'Bearer realm="afterimage"'},
        )

    def _own(self, origin: str, headers: Headers, path: str) -> bool:
        # Where a bearer is asked for in any case, a player on any page may use it.
        if SIGNALLING_PATH.fullmatch(path) and (self._token is not None or _SESSION_PATH.fullmatch(path)):
            return True
        try:
            authority = urlsplit(origin).netloc
        except ValueError:
            # As http://[, which no browser says.
            return False
        if authority == headers.get("host", "").lower():
            return True
        # A page served on this machine, as a development server's, is no stranger to a server without a token.
        return self._token is None and is_loopback(host_name(authority))


def host_name(authority: str) -> str:
    """The host of ``host:port``, without the brackets of an IPv6 address."""
    if authority.startswith("["):
        return authority[1:].partition("]")[0]
    return authority.rpartition(":")[0] if ":" in authority else authority


def page_cookie(headers: Headers) -> str | None:
    """The token a browser keeps for the page's files."""
    # Not by http.cookies, which reads nothing of a header that has JSON in another cookie: ports share theirs.
    return cookie_parser(headers.get("cookie", "")).get(PAGE_COOKIE)


class BodyLimit:
    """Refuses a larger body as soon as it is known to be one; none of it beyond the limit is kept.

    Closing a connection while its sender still writes resets it, and the refusal is lost on the way. So what
    still comes is thrown away for a moment after the answer, as nginx's lingering close does.

    Args:
        app: What to guard.
        larger: The largest body taken at certain paths, in bytes; `MAX_BODY_BYTES` at all others.
    """

    def __init__(self, app: ASGIApp, larger: Mapping[str, int]) -> None:
        self._app, self._larger = app, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        read, refused = 0, False
        max_bytes = self._larger.get(scope["path"], MAX_BODY_BYTES)

        async def limited() -> Message:
            nonlocal read, refused
            message = await receive()
            read += len(message.get("body", b""))
            if read > max_bytes:
                refused = True
                raise _too_large(max_bytes)
            return message

        async def lingering(message: Message) -> None:
            last = message["type"] == "http.response.body" and not message.get("more_body")
            if not refused or not last or "expect" in headers:
                await send(message)
                return
            await send({**message, "more_body": True})
            await discard(receive)
            await send({"type": "http.response.body"})

        declared = headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared) > max_bytes:
            refused = True
            refusal = _too_large(max_bytes)
            response = problem_response(refusal.status_code, refusal.detail, refusal.headers)
            await response(scope, receive, lingering)
        else:
            await self._app(scope, limited, lingering)


def _too_large(max_bytes: int) -> Problem:
    return Problem(413, f"a body may have {max_bytes // 1024} KiB", {"Connection": "close"})


async def discard(receive: Receive) -> None:
    """Throw away what still comes of a body, for two seconds at most."""
    try:
        async with asyncio.timeout(LINGER_S):
            message = await receive()
            while message["type"] == "http.request" and message.get("more_body"):
                message = await receive()
    except TimeoutError:
        return
