"""HEAD for everything that answers GET (RFC 9110, section 9.1): FastAPI's routes answer only what they name."""

from anyio import CancelScope
from anyio.lowlevel import checkpoint
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Head:
    """Has HEAD answered as GET is, and ends the answer where its body would begin: it may be a stream or gigabytes.

    Args:
        app: What answers GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def begun(message: Message) -> None:
            await send(message)
            await send({"type": "http.response.body"})
            answering.cancel()
            await checkpoint()

        with CancelScope() as answering:
            await self._app({**scope, "method": "GET"}, receive, begun)
