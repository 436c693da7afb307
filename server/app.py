"""The application: routes, what guards them, and the service behind them."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from server.access import Access, BodyLimit
from server.cors import OpenSignalling
from server.engine import LiveEditor, load_warm_editor
from server.head import Head
from server.openapi import ServerLimits, describe
from server.presets.preset import MAX_FILE_BYTES
from server.problems import install_problems
from server.routes import (
    events,
    health,
    instructions,
    models,
    network,
    page,
    presets,
    recordings,
    sessions,
    snapshot,
    whep,
    whip,
)
from server.service import Service
from server.settings import Settings


def create_app(settings: Settings, load: Callable[[], LiveEditor] | None = None) -> FastAPI:
    """The ASGI application; its lifespan loads the model and ends the sessions.

    Args:
        settings: As read at start-up.
        load: Makes the editor, in a thread; the settings' model where it is left out.
    """
    load_editor = load or partial(
        load_warm_editor,
        settings.model,
        settings.compiler,
        settings.device,
        settings.steps,
        settings.edit_short_side,
        settings.engine_dir,
        settings.precision,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = app.state.service = Service(settings, load_editor)
        service.engine.start()
        try:
            yield
        finally:
            await service.close()

    token = None if settings.token is None else settings.token.get_secret_value()
    middleware = [
        Middleware(Access, token=token, allowed_origins=settings.allowed_origins),
        Middleware(BodyLimit, larger={"/v1/presets/import": MAX_FILE_BYTES}),
        Middleware(Head),
    ]
    if settings.allowed_origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(settings.allowed_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
            expose_headers=["Location", "Retry-After"],
        )
        middleware.insert(0, cors)

    middleware.insert(0, Middleware(OpenSignalling))

    app = FastAPI(
        title="Afterimage",
        version="1",
        # FastAPI's pages about the interface load scripts from elsewhere into this origin, where tokens are kept.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        middleware=middleware,
    )
    install_problems(app)

    def steps() -> int | None:
        service: Service | None = getattr(app.state, "service", None)
        runs = None if service is None else service.engine.description
        return settings.steps if runs is None else runs.steps

    describe(app, ServerLimits(settings.model, settings.max_bitrate_bps, settings.max_edit_side), steps)
    described = (
        sessions,
        instructions,
        events,
        snapshot,
        recordings,
        presets,
        whip,
        whep,
        models,
        network,
        health,
    )
    for part in (*described, page):
        app.include_router(part.router)
    page.mount_files(app, settings.client_dir)
    return app
