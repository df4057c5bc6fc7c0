"""Where the sockets of a job kernel lie: a directory of its own, closed to others, in whichever place can be written to.

This module is imported before the kernel starts, so it imports little.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from qhub_ext.errors import EnvironmentMismatchError

USUAL = Path("/tmp")  # noqa: S108 - the directory made there is new, and closed to others
LONGEST = 103
"""Characters of the directory: a socket's path may have 107, and TMPDIR on clusters often has more."""
_DAY_S = 86400


def make_directory(fill: Callable[[Path], None]) -> Path:
    """`fill` puts files into it. Raises EnvironmentMismatchError where there is no place for it and them."""
    why = []
    for root in _places():
        path = root / f"qhub-{os.getpid()}-{os.urandom(4).hex()}"
        if len(str(path)) > LONGEST:
            why.append(f"{root} is too long a path")
            continue
        try:
            path.mkdir(mode=0o700)
            fill(path)
        except OSError as error:
            why.append(f"{root}: {(error.strerror or str(error)).lower()}")
            remove(path)
            continue
        _sweep(root)
        return path
    raise EnvironmentMismatchError(
        f"The job kernel has no place for its sockets ({'; '.join(why)}).",
        advice="Give the job a /tmp that it can write to, or set TMPDIR to such a folder with a short path.",
    )


def remove(path: Path) -> None:
    import shutil  # only at the end

    shutil.rmtree(path, ignore_errors=True)


def _places() -> Iterator[Path]:
    """The usual one first: a private TMPDIR may be a parallel file system, which has no sockets. A container may lack it."""
    told = (os.environ.get(name, "") for name in ("TMPDIR", "XDG_RUNTIME_DIR"))
    places = (str(USUAL), *told, "/dev/shm", "/var/tmp")  # noqa: S108 - as above
    return (Path(place) for place in dict.fromkeys(places) if os.path.isabs(place))


def _sweep(root: Path) -> None:
    """Directories of supervisors that were killed, after a day."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(root):
            if entry.name.startswith("qhub-") and entry.is_dir(follow_symlinks=False) and not _alive(entry.name):
                found = entry.stat(follow_symlinks=False)
                if found.st_uid == os.geteuid() and time.time() - found.st_mtime > _DAY_S:
                    remove(Path(entry.path))


def _alive(name: str) -> bool:
    pid = name.split("-")[1]
    return not pid.isdigit() or os.path.exists(f"/proc/{pid}")
