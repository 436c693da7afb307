"""A file that is also read in parts, by any Range a client may send (RFC 9110, section 14)."""

import re
from pathlib import Path

from fastapi.responses import FileResponse
from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope, Send

from server.problems import problem_response

# Longer numbers than of any file are nobody's honest wish, and Python refuses to read the longest.
_PART = r"(?:\d{1,18}-\d{0,18}|-\d{1,18})"
_RANGE = re.compile(rf"bytes=[ \t]*{_PART}(?:[ \t]*,[ \t]*{_PART})*[ \t]*", re.ASCII | re.IGNORECASE)


class RangedFile(FileResponse):
    """Starlette's, which answers a Range it cannot read with plain text.

    What is no range of bytes is passed over and the whole file sent, as section 14.2 asks; one that lies behind the
    file's end is a problem.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        headers = MutableHeaders(raw=list(scope["headers"]))
        asked = headers.get("range")
        if asked is None:
            await super().__call__(scope, receive, send)
            return
        parts, size = _parts(asked), Path(self.path).stat().st_size
        within = [part for part in parts if _lies_in(part, size)]
        if parts and not within and "if-range" not in headers:
            behind = f"the file has {size} bytes, none of them in {asked}"
            refusal = problem_response(416, behind, {"Content-Range": f"bytes */{size}"})
            await refusal(scope, receive, send)
            return
        if within:
            headers["range"] = f"bytes={','.join(within)}"
        else:
            del headers["range"]
        await super().__call__({**scope, "headers": headers.raw}, receive, send)


def _parts(asked: str) -> list[str]:
    """The parts of a Range header; none where it is not one of bytes, or one of them ends before it begins."""
    if _RANGE.fullmatch(asked) is None:
        return []
    parts = [part.strip() for part in asked.partition("=")[2].split(",")]
    for part in parts:
        first, _, last = part.partition("-")
        if first and last and int(last) < int(first):
            return []
    return parts


def _lies_in(part: str, size: int) -> bool:
    first, _, last = part.partition("-")
    return int(first) < size if first else int(last) > 0 and size > 0
