import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.presets.preset import PresetFields, PresetLayer
from server.presets.store import (
    NameTakenError,
    NoSuchPresetError,
    Presets,
    PresetsUnavailableError,
)


def fields(name: str, text: str = "invert") -> PresetFields:
    return PresetFields(name=name, layers=(PresetLayer(text=text, strength=0.5, enabled=False),))


@pytest.fixture
async def presets(tmp_path: Path) -> AsyncIterator[Presets]:
    kept = Presets(tmp_path / "data" / "presets.sqlite3")
    yield kept
    await kept.close()


async def test_a_preset_is_found_after_a_restart(presets: Presets, tmp_path: Path) -> None:
    added = await presets.add(fields("Noir"))
    again = Presets(tmp_path / "data" / "presets.sqlite3")
    assert await again.find(added.id) == added
    assert added.layers == fields("Noir").layers
    await again.close()


async def test_names_are_unique_in_whatever_case(presets: Presets) -> None:
    noir = await presets.add(fields("Noir"))
    with pytest.raises(NameTakenError):
        await presets.add(fields("noir"))
    other = await presets.add(fields("Other"))
    with pytest.raises(NameTakenError):
        await presets.replace(other.id, fields("NOIR"))
    assert (await presets.replace(noir.id, fields("NOIR", "blur it"))).layers[0].text == "blur it"
    assert [each.name for each in await presets.all()] == ["NOIR", "Other"]


async def test_what_is_not_there_is_said(presets: Presets) -> None:
    for call in (presets.find("x"), presets.remove("x"), presets.replace("x", fields("a"))):
        with pytest.raises(NoSuchPresetError):
            await call


async def test_an_import_keeps_or_replaces_those_of_the_same_name(presets: Presets) -> None:
    await presets.add(fields("a", "old"))
    kept = await presets.take_in([fields("A", "new"), fields("b")], "keep")
    assert (kept.added, kept.replaced, kept.kept) == (1, 0, 1)
    replaced = await presets.take_in([fields("a", "new")], "replace")
    assert (replaced.added, replaced.replaced, replaced.kept) == (0, 1, 0)
    assert [each.layers[0].text for each in await presets.all()] == ["new", "invert"]


async def test_two_servers_share_one_database(presets: Presets, tmp_path: Path) -> None:
    other = Presets(tmp_path / "data" / "presets.sqlite3")
    await asyncio.gather(
        *(presets.add(fields(f"a{number}")) for number in range(10)),
        *(other.add(fields(f"b{number}")) for number in range(10)),
    )
    assert len(await presets.all()) == len(await other.all()) == 20
    with sqlite3.connect(tmp_path / "data" / "presets.sqlite3") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    database.close()
    await other.close()


async def test_a_database_of_a_newer_server_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "presets.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 2")
    database.close()
    presets = Presets(path)
    with pytest.raises(PresetsUnavailableError, match="of version 2, this server reads 1"):
        await presets.all()
    await presets.close()


async def test_a_damaged_database_is_said_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "presets.sqlite3"
    path.write_bytes(b"this is no database" * 100)
    presets = Presets(path)
    with pytest.raises(PresetsUnavailableError, match="not a database"):
        await presets.all()
    assert path.read_bytes() == b"this is no database" * 100
    await presets.close()


async def test_the_event_loops_thread_never_touches_the_database(
    presets: Presets, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    connect = sqlite3.connect

    def noted(*arguments: object, **options: object) -> sqlite3.Connection:
        threads.add(threading.current_thread().name)
        return connect(*arguments, **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(sqlite3, "connect", noted)
    await presets.all()
    assert threads == {"presets_0"}
