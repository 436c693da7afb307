"""Presets in SQLite, in a thread of their own."""

import asyncio
import json
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel

from server.presets.preset import MAX_PRESETS, Preset, PresetFields

Result = TypeVar("Result")

SCHEMA_VERSION = 1
BUSY_TIMEOUT_S = 5.0

_SCHEMA = """
CREATE TABLE presets (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    layers TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT
"""

OnExisting = Literal["keep", "replace"]


class NoSuchPresetError(KeyError):
    """There is no preset of this id."""


class NameTakenError(Exception):
    """Another preset has this name, in whatever case."""


class TooManyPresetsError(Exception):
    """There is no room for more presets."""


class PresetsUnavailableError(Exception):
    """The database cannot be used; the text is one line for a person."""


class Imported(BaseModel):
    """What became of an import's presets."""

    added: int
    replaced: int
    kept: int
    """Left as they were: there was one of that name."""


class Presets:
    """Keeps presets; the database is opened with the first call.

    Every method raises PresetsUnavailableError where the database cannot be used.

    Args:
        path: Of the database; made where there is none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "presets")
        self._connection: sqlite3.Connection | None = None

    async def close(self) -> None:
        """Close the database."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connection.close)
        self._thread.shutdown(wait=False)

    async def all(self) -> list[Preset]:
        """Every preset, by name."""
        return await self._do(
            lambda database: [_preset(row) for row in database.execute("SELECT * FROM presets ORDER BY name")]
        )

    async def find(self, preset_id: str) -> Preset:
        """The preset of an id.

        Raises:
            NoSuchPresetError: There is none.
        """
        return await self._do(lambda database: _find(database, preset_id))

    async def add(self, fields: PresetFields) -> Preset:
        """Keep a new preset.

        Raises:
            NameTakenError: There is one of this name.
            TooManyPresetsError: There are too many already.
        """
        return await self._do(lambda database: _add(database, fields))

    async def replace(self, preset_id: str, fields: PresetFields) -> Preset:
        """Change a preset's name and what it stands for.

        Raises:
            NoSuchPresetError: There is none of this id.
            NameTakenError: There is another of this name.
        """
        return await self._do(lambda database: _replace(database, preset_id, fields))

    async def remove(self, preset_id: str) -> None:
        """Forget a preset.

        Raises:
            NoSuchPresetError: There is none of this id.
        """

        def remove(database: sqlite3.Connection) -> None:
            if not database.execute("DELETE FROM presets WHERE id = ?", (preset_id,)).rowcount:
                raise NoSuchPresetError(preset_id)

        await self._do(remove)

    async def take_in(self, presets: Sequence[PresetFields], existing: OnExisting) -> Imported:
        """Keep an import's presets, all or none.

        Args:
            presets: As they come.
            existing: What becomes of a preset whose name one of them has.

        Raises:
            TooManyPresetsError: They would be too many.
        """

        def take_in(database: sqlite3.Connection) -> Imported:
            added = replaced = kept = 0
            for fields in presets:
                row = database.execute("SELECT id FROM presets WHERE name = ?", (fields.name,)).fetchone()
                if row is None:
                    _add(database, fields)
                    added += 1
                elif existing == "replace":
                    _replace(database, row["id"], fields)
                    replaced += 1
                else:
                    kept += 1
            return Imported(added=added, replaced=replaced, kept=kept)

        return await self._do(take_in)

    async def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_thread, work)

    def _in_thread(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            if self._connection is None:
                self._connection = _open(self._path)
            # One transaction: taken back where anything is raised.
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                return work(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise PresetsUnavailableError(f"presets in {self._path} cannot be used: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Transactions are begun by hand: the module's own begin too late to keep two servers apart.
    connection = sqlite3.connect(path, BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        with closing(connection.execute("PRAGMA user_version")) as answer:
            version = int(answer.fetchone()[0])
        if version > SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"it is of version {version}, this server reads {SCHEMA_VERSION}")
        if version == 0:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute(_SCHEMA.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    except BaseException:
        connection.close()
        raise
    return connection


def _find(database: sqlite3.Connection, preset_id: str) -> Preset:
    row = database.execute("SELECT * FROM presets WHERE id = ?", (preset_id,)).fetchone()
    if row is None:
        raise NoSuchPresetError(preset_id)
    return _preset(row)


def _add(database: sqlite3.Connection, fields: PresetFields) -> Preset:
    if database.execute("SELECT count(*) FROM presets").fetchone()[0] >= MAX_PRESETS:
        raise TooManyPresetsError
    now, preset_id = _now(), secrets.token_urlsafe(9)
    try:
        database.execute(
            "INSERT INTO presets VALUES (?, ?, ?, ?, ?)", (preset_id, fields.name, _layers(fields), now, now)
        )
    except sqlite3.IntegrityError as error:
        raise NameTakenError(fields.name) from error
    return _find(database, preset_id)


def _replace(database: sqlite3.Connection, preset_id: str, fields: PresetFields) -> Preset:
    try:
        database.execute(
            "UPDATE presets SET name = ?, layers = ?, updated_at = ? WHERE id = ?",
            (fields.name, _layers(fields), _now(), preset_id),
        )
    except sqlite3.IntegrityError as error:
        raise NameTakenError(fields.name) from error
    return _find(database, preset_id)


def _layers(fields: PresetFields) -> str:
    return json.dumps([layer.model_dump() for layer in fields.layers], ensure_ascii=False)


def _preset(row: sqlite3.Row) -> Preset:
    return Preset.model_validate({**dict(row), "layers": json.loads(row["layers"])})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
