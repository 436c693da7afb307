"""What the routes work with: one server's engine, sessions and settings."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from engines.edit_size import SHORT_SIDE, edit_size
from server.access import bearer, same_secret
from server.engine import Engine, LiveEditor
from server.metrics import Totals, make_registry
from server.presets.store import Presets
from server.problems import Problem
from server.recording.store import Recordings
from server.rtc.codecs import CodecChoice
from server.rtc.ice import GrantedIceServer, Network
from server.rtc.probe import Probes
from server.session.limits import SessionLimits
from server.session.session import Session
from server.session.sessions import NoSuchSessionError, Sessions
from server.settings import Settings


class Service:
    """One server; made inside its event loop.

    Args:
        settings: As read at start-up.
        load: Makes the editor.
    """

    def __init__(self, settings: Settings, load: Callable[[], LiveEditor]) -> None:
        self.settings = settings
        self.engine = Engine(load, settings.max_batch, settings.show_short_side)
        self.network = network(settings)
        self.probes = Probes(self.network)
        self.limits = session_limits(settings, self.network, self.engine)
        totals = Totals()
        self.recordings = Recordings(settings.data / "recordings", settings.recordings_max_bytes)
        self.presets = Presets(settings.data / "presets.sqlite3")
        self.sessions = Sessions(
            settings.model,
            self.engine,
            self.limits,
            self.recordings,
            self.presets,
            settings.max_sessions,
            totals.add,
        )
        # Not asyncio's threads, where pictures are encoded for who watches.
        self.snapshots = ThreadPoolExecutor(1, "snapshots")
        self.metrics: CollectorRegistry = make_registry(self.sessions, self.engine, totals)

    @property
    def token(self) -> str | None:
        """The server's token, if it has one."""
        return None if self.settings.token is None else self.settings.token.get_secret_value()

    def grant(self) -> tuple[GrantedIceServer, ...]:
        """STUN and TURN servers with credentials that begin now."""
        return self.network.grant(time.time())

    async def close(self) -> None:
        """End every session, then the engine."""
        self.snapshots.shutdown(wait=False, cancel_futures=True)
        await self.probes.close()
        await self.sessions.close("the server stops")
        await self.recordings.close()
        await self.presets.close()
        await self.engine.close()


def network(settings: Settings) -> Network:
    """How peers reach the server."""
    return Network(
        ice_servers=settings.ice_servers,
        credential_lifetime_s=settings.turn_credential_lifetime_s,
        udp_ports=settings.udp_ports,
        public_addresses=settings.public_address,
    )


def session_limits(settings: Settings, network: Network, engine: Engine) -> SessionLimits:
    """What the settings, or else the model, say of each session."""

    def scale_to_edit(width: int, height: int) -> tuple[int, int]:
        runs = engine.description
        if runs is None:
            return edit_size(width, height, settings.edit_short_side or SHORT_SIDE)
        return edit_size(width, height, settings.edit_short_side or runs.short_side, runs.size_multiple)

    return SessionLimits(
        connect_timeout_s=settings.connect_timeout_s,
        gone_after_s=settings.gone_after_s,
        stall_after_s=settings.stall_after_s,
        max_bitrate_bps=settings.max_bitrate_bps,
        max_viewers=settings.max_viewers,
        edit_size=scale_to_edit,
        network=network,
        codecs=CodecChoice(settings.hardware_codecs),
    )


def this_service(request: Request) -> Service:
    """The server a request reached."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


TheService = Annotated[Service, Depends(this_service)]


def asked_session(session_id: str, request: Request, service: TheService) -> Session:
    """The session a call is about, for whoever has its token or the server's.

    Server-sent events carry the token as ``?token=``: a browser's EventSource sends no headers.
    """
    given = bearer(request.headers)
    if given is None and request.url.path.endswith("/events"):
        given = request.query_params.get("token")
    may_ask_all = service.token is not None and same_secret(given, service.token)
    try:
        session = service.sessions.find(session_id)
    except NoSuchSessionError:
        if service.token is not None and not may_ask_all:
            raise _unauthorized() from None
        raise Problem(404, "there is no such session, or it has ended") from None
    if may_ask_all or same_secret(given, session.token):
        return session
    raise _unauthorized()


def _unauthorized() -> Problem:
    return Problem(
        401,
        "this call needs the session's token as a bearer",
        {"WWW-Authenticate": 'Bearer realm="afterimage session"'},
    )


TheSession = Annotated[Session, Depends(asked_session)]
