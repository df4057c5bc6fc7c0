"""Environments built from locks, by uv, each once: in a folder named by the lock, complete or not used.

ENVIRONMENTS/288631aeaf799860/            a virtual environment
ENVIRONMENTS/288631aeaf799860/.complete   written last: what has none was left half-built, and is built anew
ENVIRONMENTS/288631aeaf799860.lock        held while somebody builds; the others wait and find it done
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qhub_ext.capture.runtime import environment_state
from qhub_ext.errors import EnvironmentMismatchError, QhubWarning
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import digest_of, read_lock
from qhub_ext.reproduce.build_failures import explain_build, no_room
from qhub_ext.reproduce.lock import Lock, read_lock_text
from qhub_ext.reproduce.uv import run_uv
from qhub_ext.settings import current_settings

COMPLETE = ".complete"
WAIT_S = 1800.0


def same_interpreter(folder: JobFolder, runtime: Mapping[str, Any]) -> str:
    """An interpreter with what the job was submitted with: its own where nothing changed there, else one that is built from the lock."""
    own = str(runtime.get("executable", ""))
    if own and runtime.get("state") and _state_of(own) == runtime["state"]:
        return own
    return str(build(read_lock(folder), folder.lock.name, environments_folder(folder.bundle_root.parent)))


def environments_folder(shelf: Path) -> Path:
    return current_settings().environments or shelf / ".environments"


def _state_of(python: str) -> str:
    if python == sys.executable:
        return environment_state()
    if not os.access(python, os.X_OK):
        return ""
    code = "from qhub_ext.capture.runtime import environment_state; print(environment_state())"
    try:
        done = subprocess.run([python, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def build(text: bytes, where: str, root: Path, tell: Callable[[str], None] = lambda _: None) -> Path:
    """The interpreter of the environment of this lock; builds it where it is not there yet.

    Raises EnvironmentMismatchError (another platform, a Python that is missing, a package that cannot be had), cause resources for a full disk.
    """
    lock = read_lock_text(text, where)
    _require_platform(lock)
    place = root / digest_of(text)
    python = place / "bin" / "python"
    if (place / COMPLETE).exists():
        return python
    try:
        with _alone(place):
            if not (place / COMPLETE).exists():
                tell(f"Building the environment of {len(lock.versions)} packages in {place}.")
                shutil.rmtree(place, ignore_errors=True)
                _build(lock, place)
                write_beside(place / "pylock.toml", text)
                write_beside(place / COMPLETE, json.dumps({"at": time.time(), "host": platform.node()}).encode())
    except OSError as error:
        raise no_room(place, error) from error
    return python


def _require_platform(lock: Lock) -> None:
    here = sysconfig.get_platform()
    if lock.platform and lock.platform != here:
        raise EnvironmentMismatchError(
            f"The lock is of {lock.platform}, here is {here}: its files cannot be installed here.",
            advice="Run the job on a node of that platform, or with --runtime current.",
        )
    if lock.conda:
        names = ", ".join(sorted(str(one.get("name")) for one in lock.conda)[:5])
        raise EnvironmentMismatchError(
            f"The lock has {len(lock.conda)} packages of conda ({names} ...), which uv cannot install.",
            advice='Name the conda environment in qhub.toml: [runtimes.TIER] kind = "conda", path = "...".',
        )


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One builder at a time, on any host that sees the folder."""
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as file:
        until = time.monotonic() + WAIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise EnvironmentMismatchError(
                        f"Another process has been building {place} for over {WAIT_S / 60:.0f} minutes.",
                        advice="End it, and run the job again.",
                    ) from None
                time.sleep(0.1)
        yield


def _build(lock: Lock, place: Path) -> None:
    minor = ".".join(lock.python.split(".")[:2]) or ".".join(map(str, sys.version_info[:2]))
    own = sys.base_prefix if minor == ".".join(map(str, sys.version_info[:2])) else ""
    wanted = str(Path(own) / "bin" / f"python{minor}") if own else minor
    _run(["venv", "--quiet", "--no-python-downloads", "--python", wanted, str(place)], lock, place)
    asked = [*(p.requirement for p in lock.packages), *(f"{n}=={v}" for n, v in lock.without_hash.items())]
    with tempfile.TemporaryDirectory(prefix="qhub-build-") as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text("".join(f"{line}\n" for line in asked), "utf-8")
        python = str(place / "bin" / "python")
        said = _run(["pip", "install", "--no-deps", "--python", python, "-r", str(requirements)], lock, place)
    for name, version, reason in _YANKED.findall(said):  # whoever pins a version still gets it (PEP 592)
        why = f" ({reason})" if reason else ""
        warnings.warn(
            f"{name} {version} of the lock was yanked by its makers{why}; it was installed.", QhubWarning, stacklevel=2
        )


_YANKED = re.compile(r"`([\w.-]+)==([\w.!+-]+)` is yanked(?: \(reason: \"?(.*?)\"?\))?\.?$", re.MULTILINE)


def _run(words: list[str], lock: Lock, place: Path) -> str:
    """What uv said beside its work."""
    done = run_uv(words)
    if done.returncode != 0:
        raise explain_build(done.stderr, lock, place)
    return done.stderr
