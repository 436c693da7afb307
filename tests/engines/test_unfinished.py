import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from engines.unfinished import abandoned_folders, remove_abandoned, unfinished_folder

WRITES_AND_WAITS = """
import sys
from contextlib import suppress
from pathlib import Path
from engines.unfinished import unfinished_folder
with unfinished_folder(Path(sys.argv[1]), "model") as folder:
    (folder / "part").mkdir()
    (folder / "part" / "weights").write_bytes(bytes(1000))
    print("written", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_there_under_its_name_or_not_at_all(tmp_path: Path) -> None:
    with unfinished_folder(tmp_path, "model") as folder:
        (folder / "weights").write_bytes(b"whole")
        folder.rename(tmp_path / "model")
    with suppress(RuntimeError), unfinished_folder(tmp_path, "other") as folder:
        (folder / "weights").write_bytes(b"half")
        raise RuntimeError

    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model" / "weights").read_bytes() == b"whole"


def test_what_another_program_writes_is_left_alone_until_it_is_killed(tmp_path: Path) -> None:
    (tmp_path / ".model.mine").mkdir()
    command = [sys.executable, "-c", WRITES_AND_WAITS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writing:
        assert writing.stdout is not None
        writing.stdout.readline()
        while_written = abandoned_folders(tmp_path), remove_abandoned(tmp_path)
        writing.kill()
    (left,) = abandoned_folders(tmp_path)

    assert while_written == ([], 0)
    assert left.name.startswith(".model.unfinished-")
    assert remove_abandoned(tmp_path) == 1000
    assert [path.name for path in tmp_path.iterdir()] == [".model.mine"]
