"""The virtual camera, through pyvirtualcam, with words for each thing that can be missing."""

import platform
from types import ModuleType
from typing import Protocol, cast

from engines.install import install_package
from server.session.frame import Picture

MODPROBE = "sudo modprobe v4l2loopback exclusive_caps=1 card_label=Afterimage"


class CameraUnavailableError(Exception):
    """There is no virtual camera to feed; says what to do."""


class Device(Protocol):
    """As much of a `pyvirtualcam.Camera` as is used."""

    @property
    def device(self) -> str:
        """Its name, as programs list it."""
        ...

    def send(self, frame: Picture) -> None:
        """Show a picture of the camera's size."""
        ...

    def close(self) -> None:
        """Give the device back."""
        ...


def open_device(size: tuple[int, int], fps: float, device: str | None, backend: str | None) -> Device:
    """Open a virtual camera.

    Args:
        size: (width, height).
        fps: About how many pictures a second it will get.
        device: Its name, or the first that is free.
        backend: pyvirtualcam's name of the driver, or the first that works.

    Raises:
        CameraUnavailableError: A package, driver or device is missing, or in use.
    """
    camera = _load()
    known = camera.camera.BACKENDS
    if backend is not None and backend not in known:
        raise CameraUnavailableError(f"there is no backend {backend!r} here; there is {', '.join(known)}")
    try:
        opened: Device = camera.Camera(*size, fps, device=device, backend=backend)
    except RuntimeError as error:
        raise CameraUnavailableError(advice(platform.system(), str(error), size)) from error
    return opened


def _load() -> ModuleType:
    try:
        import pyvirtualcam
    except ImportError as error:
        if error.name == "pyvirtualcam":
            why = "the package pyvirtualcam is not installed"
        else:
            why = f"the package pyvirtualcam does not load ({error})"
        raise CameraUnavailableError(f"{why}: {install_package('pyvirtualcam')}") from error
    return cast(ModuleType, pyvirtualcam)


def advice(system: str, said: str, size: tuple[int, int]) -> str:
    """What to do about pyvirtualcam's refusal.

    Args:
        system: As `platform.system` names it.
        said: pyvirtualcam's words, a line for each driver it tried.
        size: The (width, height) that was asked for.

    Returns:
        One line: what is wrong, what to do, and pyvirtualcam's own words.
    """
    hint = next((words for sign, words in _HINTS.get(system, {}).items() if sign in said), None)
    reason = "; ".join(line.strip() for line in said.splitlines() if line.strip())
    if hint is None:
        return f"the virtual camera cannot be opened: {reason}"
    return f"{hint.format(width=size[0], height=size[1])} ({reason})"


# Parts of pyvirtualcam's own messages -> what a person can do.
_HINTS = {
    "Linux": {
        "No v4l2 loopback device found": (
            "there is no v4l2loopback device: install the driver (Debian, Ubuntu: sudo apt-get install "
            f"v4l2loopback-dkms), then {MODPROBE}"
        ),
        "does not exist": (
            "there is no such device: leave --device out for the first v4l2loopback device, or make one of "
            f"number N by {MODPROBE} video_nr=N"
        ),
        "missing permissions": (
            "your user may not open the device: sudo usermod -a -G video $USER, then log in again"
        ),
        "could not be queried": "that is no video device: leave --device out for the first v4l2loopback device",
        "is not a": (
            "that device is no v4l2loopback device but perhaps a real camera: leave --device out for the first "
            f"that is one, or make one by {MODPROBE}"
        ),
        "could not be configured": (
            "the device does not take {width}x{height}, most often because a program has it open at another "
            "size: close that program, or give its --size"
        ),
        "could not be opened": "the device cannot be opened, most often because another program feeds it",
    },
    "Darwin": {
        "not installed": (
            "OBS's virtual camera is not installed: install OBS 30 or newer, press Start Virtual Camera in it "
            "once, allow the extension in System Settings, then stop it there"
        ),
        "Device not found": "OBS's virtual camera is not active: allow its extension in System Settings",
        "is not supported": "OBS's virtual camera is too old: install OBS 30 or newer",
        "Couldn't start stream": "OBS's virtual camera is in use: stop it in OBS",
        "could not be started": "OBS's virtual camera is in use: stop it in OBS",
        "supports only": "there is one device only: leave --device out",
    },
    "Windows": {
        "could not be started": "OBS's virtual camera is in use: stop it in OBS",
        "supports only": "there is one device only: leave --device out",
        "not found": "OBS's virtual camera is not installed: install OBS 28 or newer, with its virtual camera",
    },
}
