"""`afterimage serve`: the page and the live path, until it is told to stop."""

import argparse
import asyncio
import errno
import logging
import os
import resource
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from server.app import create_app
from server.engine import LiveEditor
from server.request_timeout import ImpatientH11Protocol
from server.service import Service
from server.settings import Settings, unknown_variables

USAGE_ERROR = 2
GRACE_S = 5
MOST_OPEN_FILES = 65_536
WORTH_TELLING_S = 2.0
"""A build that takes longer is told: programs of an earlier start are read in less."""
EDITOR_GRACE_S = 2.0
"""A step under way ends within this time; a load may take minutes, and cannot be broken off."""


def main(arguments: list[str]) -> int:
    """Serve until interrupted; 2 for settings or a model that cannot be used."""
    parser = argparse.ArgumentParser(
        "afterimage serve",
        description="Serve the page and the live path. Every setting is also an AFTERIMAGE_* variable.",
    )
    parser.add_argument("--host", help="address to serve on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to serve on (default 8080)")
    parser.add_argument(
        "--model", help="an installed model's name, its folder, or its id on the hub (default rfdm-tiny)"
    )
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    options = vars(parser.parse_args(arguments))
    log_level: str = options.pop("log_level")
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        for entry in error.errors():
            name, *inside = map(str, entry["loc"]) if entry["loc"] else [""]
            where = f"AFTERIMAGE_{name.upper()}: " if name else ""
            where += f"{'.'.join(inside)}: " if inside else ""
            _complain(f"{where}{entry['msg'].removeprefix('Value error, ')}")
        return USAGE_ERROR
    for name in unknown_variables(os.environ):
        _complain(f"{name} is no setting and changes nothing")
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return serve(settings, None)


def serve(settings: Settings, load: Callable[[], LiveEditor] | None) -> int:
    """Serve until interrupted.

    Args:
        settings: As read at start-up.
        load: Makes the editor; the settings' model where it is left out.

    Returns:
        The exit status.
    """
    try:
        listening = listen(settings.host, settings.port)
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason += "; --port or AFTERIMAGE_PORT takes another"
        _complain(f"cannot serve on {settings.host}:{settings.port}: {reason}")
        return USAGE_ERROR
    raise_open_files()
    with listening:
        server = Server(create_app(settings, load), settings, listening)
        # uvicorn raises the interrupt again once everything has ended; there is nothing left to interrupt.
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
    if not server.editor_has_ended(EDITOR_GRACE_S):
        # Not by Python's own way out, which takes PyTorch apart while a thread is still within it.
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(server.exit_status)
    return server.exit_status


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: The address is taken, not this machine's, or not allowed.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # Named, or asyncio does not set TCP_NODELAY, and an answer's body waits 40 ms for its headers' acknowledgement.
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError:
        listening.close()
        raise
    return listening


def raise_open_files() -> None:
    """Let the process have as many sockets as the machine allows it: a session may take a dozen."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        # What is refused all the same leaves the limit as it was.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


class Server(uvicorn.Server):
    """uvicorn, which also says where it serves and when the model is warm, and ends sessions before it waits."""

    def __init__(self, app: FastAPI, settings: Settings, listening: socket.socket) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=ImpatientH11Protocol,
                log_config=None,
                access_log=False,
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
            )
        )
        self.exit_status = 0
        self._app, self._settings, self._listening = app, settings, listening
        self._telling: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the port, then tell what happens to the model."""
        await super().startup(sockets)
        if self.started:
            self._loop = asyncio.get_running_loop()
            self._telling = asyncio.create_task(self._tell())

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Also end the sessions: an event stream would keep uvicorn waiting until then."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end_sessions, "the server stops")

    def editor_has_ended(self, timeout_s: float) -> bool:
        """Whether nothing is being loaded or edited any more, after this time at most."""
        service: Service | None = getattr(self._app.state, "service", None)
        return service is None or service.engine.has_ended(timeout_s)

    def _end_sessions(self, reason: str) -> None:
        for session in self._service.sessions:
            session.end(reason)

    @property
    def _service(self) -> Service:
        service = self._app.state.service
        assert isinstance(service, Service)
        return service

    async def _tell(self) -> None:
        address, port = self._listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        query = "" if self._settings.token is None else "/?token=…"
        print(f"Afterimage is at http://{shown}:{port}{query}", flush=True)
        print(f"loading {self._settings.model} …", flush=True)
        engine = self._service.engine
        await engine.settled()
        if self.should_exit:
            return
        runs = engine.description
        if runs is None:
            reason = f"the model could not be loaded: {engine.failure}"
            _complain(reason)
            self._end_sessions(reason)
            self.exit_status = USAGE_ERROR
            self.should_exit = True
            return
        how = f"{runs.compiler}, {runs.precision}, {runs.device}"
        print(f"{runs.name} {runs.version} is warm ({how})", flush=True)
        await asyncio.sleep(WORTH_TELLING_S)
        build = engine.build
        if build is not None and build.failure is None:
            size = f"{build.shape.width}x{build.shape.height}"
            print(f"PyTorch edits frames of {size} until {build.compiler} is built for them", flush=True)


def _complain(line: str) -> None:
    print(f"afterimage serve: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
