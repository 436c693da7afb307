"""The newest picture of a session as an image."""

import asyncio
import io
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from server.problems import Problem
from server.routes.asked import Responses, problems
from server.service import TheService, TheSession
from server.session.frame import Picture

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])

ImageFormat = Literal["jpeg", "png"]
JPEG_QUALITY = 90

PICTURE: Responses = {
    200: {
        "content": {
            media_type: {"schema": {"type": "string", "format": "binary"}}
            for media_type in ("image/jpeg", "image/png")
        },
        "description": "The newest picture.",
    }
}


@router.get(
    "/{session_id}/snapshot",
    response_class=Response,
    responses=PICTURE | problems(401, 404, 406, 409, 422),
)
async def snapshot(
    session: TheSession,
    service: TheService,
    request: Request,
    of: Annotated[
        Literal["edit", "source"], Query(description="What leaves, or the camera's picture at the same size.")
    ] = "edit",
    format: Annotated[
        ImageFormat | None,
        Query(description="Otherwise as the request's Accept prefers, JPEG if it does not."),
    ] = None,
) -> Response:
    """The newest picture, JPEG or PNG."""
    wanted = format or _preferred(request.headers.get("accept", "*/*"))
    picture = session.last_edit if of == "edit" else session.last_source
    if picture is None:
        raise Problem(409, "the session has no picture yet", {"Retry-After": "1"})
    loop = asyncio.get_running_loop()
    body = await loop.run_in_executor(service.snapshots, _encode, picture, wanted)
    headers = {"Cache-Control": "no-store"} | ({} if format else {"Vary": "Accept"})
    return Response(body, media_type=f"image/{wanted}", headers=headers)


def _preferred(accept: str) -> ImageFormat:
    """JPEG unless PNG is named and preferred (RFC 9110, section 12.5.1); 406 for neither."""
    weights: dict[str, float] = {}
    for entry in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in entry.split(";"))
        quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            continue
        # Neither infinity nor what is no number at all weighs anything.
        if 0.0 <= weight <= 1.0:
            weights[media_type] = weight
    anything = max(weights.get("image/*", 0.0), weights.get("*/*", 0.0))
    jpeg, png = weights.get("image/jpeg", anything), weights.get("image/png", anything)
    if max(jpeg, png) <= 0:
        raise Problem(406, "a snapshot is image/jpeg or image/png")
    return "png" if png > jpeg else "jpeg"


def _encode(picture: Picture, wanted: ImageFormat) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, wanted.upper(), quality=JPEG_QUALITY)
    return buffer.getvalue()
