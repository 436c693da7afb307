"""What this machine's CPU computes natively: decides the precision a program runs in."""

import platform
from functools import cache
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


@cache
def cpu_flags() -> frozenset[str]:
    """Feature flags as Linux names them; empty where it does not tell (other systems, ARM)."""
    return flags_of(_CPU_INFO.read_text()) if _CPU_INFO.exists() else frozenset()


def flags_of(cpu_info: str) -> frozenset[str]:
    """The flags of the first processor of a ``/proc/cpuinfo``."""
    for line in cpu_info.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return frozenset(value.split())
    return frozenset()


def cpu_name(cpu_info: str | None = None) -> str:
    """The processor's own name, or its architecture where it gives none."""
    if cpu_info is None:
        cpu_info = _CPU_INFO.read_text() if _CPU_INFO.exists() else ""
    for line in cpu_info.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def cpu_identity() -> str:
    """The processor as far as compiled code depends on it: its name and its vector instructions."""
    vectors = sorted(flag for flag in cpu_flags() if flag.startswith(("avx", "amx", "fma")))
    return " ".join((cpu_name(), *vectors))


def has_bfloat16(flags: frozenset[str]) -> bool:
    """Whether products of bfloat16 are one instruction; emulated they are slower than float32."""
    return not flags.isdisjoint({"avx512_bf16", "amx_bf16"})


def has_int8(flags: frozenset[str]) -> bool:
    """Whether products of bytes add up in 32 bits (VNNI); without it they saturate at 16 and pictures break."""
    return not flags.isdisjoint({"avx512_vnni", "avx_vnni", "amx_int8"})
