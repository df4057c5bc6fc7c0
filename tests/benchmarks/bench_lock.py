"""The lock of an environment: made where nothing of it is known yet, and given to a job where it is. The cache of uv is warm on both sides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import LockStore
from qhub_ext.reproduce.giving import give_lock
from qhub_ext.reproduce.uv import run_uv
from tests.benchmarks.line import Line, seconds, take_turns

WANTED_S = 0.3
MAKE = """
import sys, time
from qhub_ext.reproduce.locking import make_lock
began = time.perf_counter()
text = make_lock([entry for entry in sys.path if entry])
print(time.perf_counter() - began, text.count(b"[[packages]]"))
"""


def making() -> tuple[float, int]:
    """In a fresh process, as it is done: nothing that was read before counts. With the number of packages."""
    done = subprocess.run([sys.executable, "-c", MAKE], capture_output=True, text=True, check=True)
    taken, packages = done.stdout.split()
    return float(taken), int(packages)


def whole_process(folder: Path) -> float:
    """The process that makes it, from its start to its end, with the lock on an empty shelf."""
    path = json.dumps([os.path.abspath(entry) for entry in sys.path])
    shelf = tempfile.mkdtemp(dir=folder)
    words = [sys.executable, "-P", "-m", "qhub_ext.reproduce.locking", shelf, "0" * 32, path]
    taken = seconds(lambda: subprocess.run(words, check=True))
    assert LockStore(Path(shelf)).find("0" * 32)
    return taken


def giving(folder: Path) -> float:
    """What a submission pays where the lock of its environment is known."""
    shelf, state = Path(tempfile.mkdtemp(dir=folder)), "a" * 32
    LockStore(shelf).put(b"one", state)
    job = JobFolder(shelf / "job")
    job.path.mkdir()
    taken = seconds(lambda: give_lock(job, {"state": state}, shelf))
    assert job.lock.exists()
    return taken


def by_hand(folder: Path) -> float:
    """uv asked for the same in the two commands that a person would type."""
    asked, answered = folder / "requirements.in", folder / "pylock.toml"
    freeze = ["pip", "freeze", "--exclude-editable", "--python", sys.executable]
    compiling = [
        "pip",
        "compile",
        "-q",
        "--offline",
        "--no-deps",
        "--format",
        "pylock.toml",
        "--python",
        sys.executable,
    ]

    def both() -> None:
        asked.write_text(run_uv(freeze).stdout)
        done = run_uv([*compiling, "-o", str(answered), str(asked)])
        assert done.returncode == 0, done.stderr

    return seconds(both)


def lines(quick: bool) -> list[Line]:
    rounds = 3 if quick else 15
    with tempfile.TemporaryDirectory(prefix="qhub-bench-") as name:
        folder = Path(name)
        _, packages = making()  # fills uv's cache
        made, whole, given, theirs = take_turns(
            lambda: making()[0],
            lambda: whole_process(folder),
            lambda: giving(folder),
            lambda: by_hand(folder),
            rounds=rounds,
        )
    told = f"{packages} packages, each by hash"
    return [
        Line("the lock of an environment, first time", made, "`uv pip freeze` and `uv pip compile`", theirs, at_most=WANTED_S, note=told),
        Line("the process that makes it, beside the prompt", whole, at_most=WANTED_S),
        Line("from then on, given to a job at its submission", given),
    ]  # fmt: skip
