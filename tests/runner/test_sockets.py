"""A job kernel finds a place for its sockets where /tmp is not to be written to, and says so in one sentence where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qhub_ext.errors import EnvironmentMismatchError
from qhub_ext.runner import sockets
from tests.runner.conftest import RUNNER, Run, Workshop
from tests.small_disk import fill, small_disk

NOWHERE = """
import sys
from pathlib import Path
from qhub_ext.runner import __main__, sockets
sockets._places = lambda: iter([Path("/proc/nowhere"), Path("/x" * 60)])
sys.exit(__main__.main([sys.argv[1]]))
"""


def test_the_first_place_that_takes_them_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    room = Path(tempfile.mkdtemp(dir="/tmp"))
    places = [tmp_path / "absent", tmp_path / "file", tmp_path / ("x" * 100), room]
    monkeypatch.setattr(sockets, "_places", lambda: iter(places))
    made = sockets.make_directory(lambda path: (path / "one").touch())
    assert made.parent == room
    assert made.stat().st_mode & 0o777 == 0o700
    assert os.listdir(made) == ["one"]
    sockets.remove(made)
    room.rmdir()


def test_a_place_that_is_full_is_left_for_the_next_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def connection_file(path: Path) -> None:
        (path / "kernel.json").write_text("{}")

    in_tmp = tempfile.TemporaryDirectory
    with in_tmp(dir="/tmp") as one, in_tmp(dir="/tmp") as other, small_disk(Path(one), 64) as full:
        fill(full)
        monkeypatch.setattr(sockets, "_places", lambda: iter([full]))
        with pytest.raises(EnvironmentMismatchError, match=f"{full}: no space left on device"):
            sockets.make_directory(connection_file)
        monkeypatch.setattr(sockets, "_places", lambda: iter([full, Path(other)]))
        assert sockets.make_directory(connection_file).parent == Path(other)
        assert os.listdir(full) == ["filler"]


def test_tmp_is_asked_first_and_what_is_no_path_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/scratch/me")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    assert [str(place) for place in sockets._places()] == ["/tmp", "/scratch/me", "/dev/shm", "/var/tmp"]


def test_where_there_is_no_place_the_job_has_failed_with_one_sentence(workshop: Workshop) -> None:
    folder = workshop.folder("print('never')")
    done = subprocess.run(
        [sys.executable, "-c", NOWHERE, str(folder.path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    outcome = Run(folder).outcome
    assert (outcome["state"], outcome["cause"]) == ("failed", "environment")
    assert outcome["message"].startswith("The job kernel has no place for its sockets (/proc/nowhere: ")
    assert "too long a path" in outcome["message"]
    assert "set TMPDIR" in outcome["advice"]
    assert done.stderr == f"qhub: {outcome['message']} {outcome['advice']}\n"


@pytest.fixture
def in_memory() -> Iterator[Workshop]:
    """Where a container keeps what /tmp cannot take."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        made = Workshop(Path(place))
        yield made
        made.close()


@pytest.mark.skipif(os.geteuid() != 0 or not os.access("/dev/shm", os.W_OK), reason="it takes root and /dev/shm")
def test_a_cell_runs_where_tmp_may_only_be_read(in_memory: Workshop) -> None:
    if str(Path(__file__)).startswith(("/tmp", "/var/tmp")) or sys.prefix.startswith(("/tmp", "/var/tmp")):
        pytest.skip("this checkout itself lies there")
    folder = in_memory.folder("import tempfile\nprint(tempfile.gettempdir())")
    hide = 'for place in /tmp /var/tmp; do mount -t tmpfs -o ro none $place || exit 99; done; exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", hide, "sh", *RUNNER, str(folder.path)],
        capture_output=True, text=True, check=False, env={k: v for k, v in os.environ.items() if k not in ("TMPDIR", "XDG_RUNTIME_DIR")},
    )  # fmt: skip
    if not Run(folder).attempt.path.exists():
        pytest.skip(f"mounting is not allowed here: {done.stderr}")
    assert (Run(folder).outcome["state"], Run(folder).text) == ("completed", "/dev/shm\n"), done.stderr
