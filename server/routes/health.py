"""Whether the server lives, is warm, and what it has done."""

from typing import Literal

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel

from server.problems import Problem
from server.routes.asked import example, problems
from server.service import TheService

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A good answer; every other is a problem."""

    status: Literal["ok"] = "ok"


METRICS = """# HELP afterimage_sessions_max Sessions at once.
# TYPE afterimage_sessions_max gauge
afterimage_sessions_max 4.0
"""


@router.get("/livez", responses=example(200, {"status": "ok"}, "It does."))
async def live() -> Health:
    """The process answers."""
    return Health()


@router.get(
    "/readyz",
    responses=example(200, {"status": "ok"}, "It is.") | problems(503, _503="the model is loading"),
)
async def ready(service: TheService) -> Health:
    """The model is warm; 503 until then."""
    if service.engine.failure is not None:
        raise Problem(503, f"the model could not be loaded: {service.engine.failure}")
    if not service.engine.ready:
        raise Problem(503, "the model is loading", {"Retry-After": "1"})
    return Health()


@router.get(
    "/metrics",
    response_class=Response,
    responses=example(200, METRICS, "Of the server and its sessions.", "text/plain"),
)
async def metrics(service: TheService) -> Response:
    """Prometheus metrics."""
    return Response(generate_latest(service.metrics), media_type=CONTENT_TYPE_LATEST)
