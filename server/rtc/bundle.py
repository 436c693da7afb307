"""Sections that an offer lets take part in its bundle alone (RFC 9143)."""

from collections.abc import Sequence

_TRANSPORT = (
    "a=ice-ufrag:",
    "a=ice-pwd:",
    "a=ice-options:",
    "a=fingerprint:",
    "a=setup:",
    "a=tls-id:",
    "a=rtcp-mux",
)
"""Lines that a section of a bundle may leave out, for they are those of the tagged one (RFC 8859)."""


def with_bundled(text: str) -> str:
    """The offer with its bundle-only sections as any other section of its bundle.

    Such a section has port 0 and neither ICE nor DTLS lines of its own (RFC 9143 section 6), as in the offer that
    RFC 9725 prints; aiortc would take it for one that is not wanted.
    """
    session, *sections = _split(text.splitlines())
    group = next((line for line in session if line.startswith("a=group:BUNDLE ")), "")
    tag, *others = group.split()[1:] or [""]
    tagged = next((section for section in sections if _mid(section) == tag), None)
    if tagged is None:
        return text
    bundled, transport = frozenset(others), [line for line in tagged if line.startswith(_TRANSPORT)]
    lines = list(session)
    for section in sections:
        kind, port, rest = (*section[0].split(" ", 2), "", "")[:3]
        if port == "0" and "a=bundle-only" in section and _mid(section) in bundled:
            own = [line for line in section[1:] if line != "a=bundle-only"]
            lines += [f"{kind} 9 {rest}", *own, *_missing(transport, own)]
        else:
            lines += section
    return "\r\n".join(lines) + "\r\n"


def _split(lines: Sequence[str]) -> list[list[str]]:
    """The session's lines, then those of each media section."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            parts.append([])
        parts[-1].append(line)
    return parts


def _mid(section: Sequence[str]) -> str | None:
    return next((line.removeprefix("a=mid:") for line in section if line.startswith("a=mid:")), None)


def _missing(transport: Sequence[str], own: Sequence[str]) -> list[str]:
    names = {line.partition(":")[0] for line in own}
    return [line for line in transport if line.partition(":")[0] not in names]
