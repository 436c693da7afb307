"""Everything that can be set, read once at start-up and passed down."""

import os
import re
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from engines.compilers.names import Precision
from engines.edit_size import SIZE_MULTIPLE
from server.json_list import json_list
from server.rtc.ice import IceServer, PortRange, parse_addresses, parse_ice_servers, parse_port_range

CLIENT_DIR = Path(__file__).parent.parent / "client_web" / "dist"


def parse_origins(value: object) -> object:
    """Read the JSON of ``AFTERIMAGE_ALLOWED_ORIGINS``; raises ValueError for anything but a list."""
    return json_list(value, 'origins, as ["https://example.org"]')


def as_browsers_say(given: tuple[str, ...]) -> tuple[str, ...]:
    """Origins as browsers say them, in small letters and without a path, so that they can be compared.

    Raises:
        ValueError: One is none.
    """
    said = tuple(origin.rstrip("/").lower() for origin in given)
    for origin in said:
        if re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]+", origin) is None:
            raise ValueError(f"{origin!r} is no origin, as https://example.org")
    return said


class Settings(BaseSettings):
    """Read once at start-up from AFTERIMAGE_* variables, then passed down."""

    model_config = SettingsConfigDict(env_prefix="AFTERIMAGE_", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """0 takes a free one, which is told at the start."""
    token: SecretStr | None = None
    """Asked for as a bearer by everything but health and preflight; without it only loopback is served."""
    allowed_origins: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(parse_origins), AfterValidator(as_browsers_say)
    ] = ()
    """Origins of pages served from elsewhere that may use this server, as `["https://example.org"]`."""
    client_dir: Path = CLIENT_DIR
    """The built page."""

    data: Path = Field(default_factory=lambda: data_home() / "afterimage")
    """Where recordings and presets are kept; by default in XDG_DATA_HOME, or ~/.local/share."""
    recordings_max_bytes: Annotated[int, Field(ge=1_000_000)] = 20_000_000_000
    """All recordings together; one that would need more ends."""

    model: str = "rfdm-tiny"
    """An installed model's name, a model folder, or an id on the Hugging Face hub."""
    device: str = "auto"
    """`cpu` or `cuda`; otherwise the GPU where PyTorch can use one."""
    compiler: str = "auto"
    """What runs the model, by a name of docs/engines.md; otherwise the quickest that works on the device."""
    precision: Literal["auto", Precision] = "auto"
    """What the compiler computes in, as `afterimage compile --precision` was told; its usual one otherwise."""
    engine_dir: Path | None = None
    """Compiled engines, those of `afterimage compile --out` among them; otherwise in the user's cache."""
    steps: PositiveInt | None = None
    """Sampler steps for a frame; the model's own otherwise."""

    max_sessions: PositiveInt = 4
    """Open at once; the next is refused with 503."""
    max_batch: PositiveInt | None = None
    """Frames of different sessions edited in one step, at most; otherwise 1 on a CPU and 8 on a GPU."""
    max_viewers: PositiveInt = 16
    """Of one session, at once."""
    connect_timeout_s: PositiveFloat = 30.0
    """A session that no browser connected to is gone after this."""
    gone_after_s: PositiveFloat = 8.0
    """A browser not heard from for this long has left. ICE consent alone takes aioice 30 s."""
    stall_after_s: PositiveFloat = 2.0
    """An edit that takes longer lets the untouched picture through until it returns."""

    edit_short_side: Annotated[int, Field(ge=64, le=1024, multiple_of=SIZE_MULTIPLE)] | None = None
    """The model's own otherwise: 256 pixels for rfdm-tiny, 512 for the large ones."""
    max_edit_side: Annotated[int, Field(ge=64, le=4096, multiple_of=SIZE_MULTIPLE)] = 1024
    """The longest side that a session may ask to be edited at."""
    show_short_side: Annotated[int, Field(ge=0, le=2160, multiple_of=2)] = 480
    """An edit is shown at its camera's own size, the camera's detail in it, but no larger than this; 0 shows it at
    the size it was edited at."""
    max_bitrate_bps: Annotated[int, Field(ge=200_000, le=50_000_000)] = 6_000_000
    """Of each picture that is sent; less where the network carries less, or a session asks for less."""
    hardware_codecs: bool = True
    """Encode and decode by the machine's own hardware where it opens; telemetry names what runs."""

    ice_servers: Annotated[tuple[IceServer, ...], NoDecode, BeforeValidator(parse_ice_servers)] = ()
    """STUN and TURN servers, for browsers and for the server's own peers: a JSON list as
    `[{"urls": "turn:turn.example.org:3478", "secret": "..."}]`, with `username` and `credential` in place of coturn's
    `static-auth-secret`, or with neither for `stun:`."""
    turn_credential_lifetime_s: Annotated[int, Field(ge=60, le=30 * 86_400)] = 86_400
    """For how long a credential made of a TURN server's secret may open new relays."""
    udp_ports: Annotated[PortRange | None, BeforeValidator(parse_port_range)] = None
    """Where pictures come in, as `50000-50100`, one port and more for each connection; any free port otherwise."""
    public_address: Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_addresses)] = ()
    """Where the UDP ports can be reached from outside a NAT or a container; several with commas between."""

    @model_validator(mode="after")
    def _guarded_beyond_loopback(self) -> "Settings":
        token = None if self.token is None else self.token.get_secret_value()
        if token is not None and not token.strip():
            raise ValueError("AFTERIMAGE_TOKEN is empty: leave it out or give it a value")
        if token is not None and not (token.isascii() and token.isprintable() and token == token.strip()):
            # Other letters each program puts into a header in its own way, and spaces around it are lost there.
            raise ValueError(
                "AFTERIMAGE_TOKEN may have letters, digits and signs of ASCII, and no space around them"
            )
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"{self.host} can be reached from other machines: set AFTERIMAGE_TOKEN to a secret, "
                "or serve on 127.0.0.1"
            )
        return self


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """Names that begin as a setting's does and are none's, as a misspelt one is."""
    known = {f"AFTERIMAGE_{name.upper()}" for name in Settings.model_fields}
    return sorted(name for name in environment if name.startswith("AFTERIMAGE_") and name not in known)


def data_home() -> Path:
    """Where a user's programs keep what is theirs (XDG Base Directory Specification)."""
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    # A relative one is to be ignored.
    return given if given.is_absolute() else Path.home() / ".local" / "share"


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
