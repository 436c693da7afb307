"""Cross-origin use of WHIP and WHEP: a player on any page may call them (Fetch standard, section 3.2)."""

import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.routes.signalling import FRAGMENT_TYPE, SDP_TYPE

SIGNALLING_PATH = re.compile(r"(/v1/sessions/[^/]+)?/(whip|whep)(?P<begun>/[^/]+)?")

_PREFLIGHT = {
    "access-control-allow-methods": "POST, PATCH, DELETE, OPTIONS",
    "access-control-allow-headers": "Authorization, Content-Type, If-Match",
    "access-control-max-age": "600",
}
_EXPOSED = "Location, Link, ETag, Retry-After, Accept-Post, Accept-Patch"


class OpenSignalling:
    """Answers preflights of WHIP and WHEP, and lets pages of any origin read the other answers.

    Nothing of a browser's own, as cookies, ever authorizes these calls, so the origin adds nothing to the bearer;
    `server.access` still keeps foreign pages from a server that asks for none.

    Args:
        app: What answers everything else.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer its preflight."""
        path = SIGNALLING_PATH.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if path is None:
            await self._app(scope, receive, send)
            return

        async def opened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["access-control-allow-origin"] = "*"
                headers["access-control-expose-headers"] = _EXPOSED
            await send(message)

        preflight = "access-control-request-method" in Headers(scope=scope)
        if scope["method"] != "OPTIONS" or not (preflight or path["begun"]):
            await self._app(scope, receive, opened)
            return
        accepted = ("accept-patch", FRAGMENT_TYPE) if path["begun"] else ("accept-post", SDP_TYPE)
        headers = MutableHeaders({**_PREFLIGHT, accepted[0]: accepted[1]})
        await opened({"type": "http.response.start", "status": 204, "headers": headers.raw})
        await send({"type": "http.response.body"})
