"""Makes the lock of the environment of this interpreter and gives it to the jobs that wait for it.

    python -m qhub_ext.reproduce.locking SHELF STATE PATH-JSON JOB ...

A second of work and perhaps a question to the package index, once per environment and installation: so it has a process of its own, with a
low priority, and the prompt of `%%qpu` waits for none of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
import sysconfig
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from qhub_ext.capture.runtime import installed_blas
from qhub_ext.jobfolder.atomic import read_record_or_none
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import LockStore, attach
from qhub_ext.jobfolder.runtime import read_runtime
from qhub_ext.reproduce.hashes import file_hashes
from qhub_ext.reproduce.installed import read_installed, without_credentials
from qhub_ext.reproduce.lock import Interpreter, render_lock

RECENT_S = 60.0
_PUBLIC_CHANNELS = ("conda.anaconda.org", "repo.anaconda.com")


def make_lock(path: Sequence[str]) -> bytes:
    """The lock of this interpreter, with what lies on `path`."""
    packages = read_installed(path)
    interpreter = Interpreter(
        python=platform.python_version(),
        implementation=platform.python_implementation(),
        platform=sysconfig.get_platform(),
        system=sys.platform,
        machine=platform.machine(),
        blas=tuple(f"{package}: {library}" for package, library in installed_blas(path).items()),
        conda=tuple(_conda(Path(sys.prefix))),
    )
    return render_lock(interpreter, packages, file_hashes(packages, sys.executable)).encode()


def _conda(prefix: Path) -> list[dict[str, str]]:
    """What conda installed, from its own records: PEP 751 has no word for it."""
    found = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        record = read_record_or_none(path)
        if record is not None and "name" in record:
            url = without_credentials(str(record.get("url", "")))
            facts = {k: str(record.get(k, "")) for k in ("name", "version", "build", "sha256")}
            public = any(f"//{host}/" in url for host in _PUBLIC_CHANNELS)
            found.append({k: v for k, v in {**facts, "url": url if public else ""}.items() if v})
    return found


def _waiting(shelf: Path, state: str, jobs: Iterable[str], since: float) -> Iterable[JobFolder]:
    """The jobs that asked, and those that were submitted from the same environment meanwhile."""
    recent = []
    with contextlib.suppress(OSError), os.scandir(shelf) as entries:
        recent = [e.name for e in entries if not e.name.startswith(".") and e.stat().st_mtime >= since]
    for job_id in dict.fromkeys([*jobs, *recent]):
        folder = JobFolder(shelf / job_id)
        runtime = read_runtime(folder.runtime)
        if runtime is not None and runtime.get("state") == state and not folder.lock.exists():
            yield folder


def main(arguments: Sequence[str]) -> int:
    shelf, state, path, *jobs = arguments
    began = time.time()
    if not os.path.isdir(shelf):  # gone since
        return 0
    store = LockStore(Path(shelf))
    place = store.find(state) or store.put(make_lock(json.loads(path)), state)
    for folder in _waiting(Path(shelf), state, jobs, began - RECENT_S):
        with contextlib.suppress(OSError):  # removed meanwhile
            attach(place, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
