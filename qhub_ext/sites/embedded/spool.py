"""Every file name inside the folder of the queue, once; and the bell that wakes the daemon.

DIRECTORY/              mode 0700, on this host's own disk
    incoming/NAME.json  a submission (qhub.submission/1), renamed into place by a client
    requests/NAME.json  cancel, hold, release or requeue (qhub.request/1); names sort by time
    table.jsonl         the jobs that wait or run; the daemon is the only writer
    daemon.lock         flock'ed by the daemon: one per directory
    daemon.json         who it is; left behind only when the daemon was killed
    daemon.log
    bell                FIFO that the daemon reads; opening it for writing fails (ENXIO) when no daemon lives
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qhub_ext.errors import SiteError
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.ownership import find_exposure

SUBMISSION_SCHEMA = "qhub.submission/1"
REQUEST_SCHEMA = "qhub.request/1"
STALE_DRAFT_S = 3600.0


@dataclass(frozen=True)
class Spool:
    directory: Path

    @property
    def incoming(self) -> Path:
        return self.directory / "incoming"

    @property
    def requests(self) -> Path:
        return self.directory / "requests"

    @property
    def table(self) -> Path:
        return self.directory / "table.jsonl"

    @property
    def lock(self) -> Path:
        return self.directory / "daemon.lock"

    @property
    def identity(self) -> Path:
        return self.directory / "daemon.json"

    @property
    def log(self) -> Path:
        return self.directory / "daemon.log"

    @property
    def bell(self) -> Path:
        return self.directory / "bell"

    def prepare(self) -> None:
        """Makes what is missing. Raises SiteError when the folder cannot be made, or is not for this user alone."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            exposed = find_exposure(self.directory)
            if exposed is not None:
                raise SiteError(
                    f"{self.directory} {exposed.words}: the queue of the embedded site is one user's, "
                    "for who can write there can run jobs as that user.",
                    advice=exposed.mend or "Set embedded.directory in qhub.toml to a folder of your own.",
                )
            self.incoming.mkdir(mode=0o700, exist_ok=True)
            self.requests.mkdir(mode=0o700, exist_ok=True)
            if not self.bell.exists():
                with contextlib.suppress(FileExistsError):  # a client and the daemon prepare at the same time
                    os.mkfifo(self.bell, 0o600)
        except OSError as error:
            raise explain_os_error(error, f"The queue's folder {self.directory} cannot be prepared") from error

    def put(self, folder: Path, record: dict[str, Any]) -> Path:
        """Hands the daemon one file. Raises OSError, with nothing half written."""
        path = folder / f"{time.time_ns():020d}-{os.urandom(4).hex()}.json"
        text = json.dumps(record, separators=(",", ":"), default=str)
        # not synced: the job folder is not either, so a crash of the machine would take both; a kill of any process takes none
        write_beside(path, text.encode("utf-8", "surrogatepass"))
        return path

    def ring(self) -> bool:
        """Wakes the daemon; False when there is none."""
        return _ring(self.bell, b"!")

    def daemon_lives(self) -> bool:
        """The kernel knows it: only the daemon has the bell open for reading."""
        return _ring(self.bell, b"")


def _ring(bell: Path, byte: bytes) -> bool:
    try:
        fd = os.open(bell, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return False
        raise
    try:
        if byte:
            os.write(fd, byte)
    except BlockingIOError:
        pass  # full of rings that it has yet to hear: it will look
    except BrokenPipeError:
        return False
    finally:
        os.close(fd)
    return True


def letters(folder: Path) -> list[Path]:
    """Complete files in the order of their arrival; drafts of clients begin with a dot."""
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith(".")]
    except FileNotFoundError:
        return []
    return [folder / name for name in sorted(names)]


def stale_drafts(folder: Path, now: float) -> Iterator[Path]:
    """What clients left that died while writing."""
    for name in os.listdir(folder):
        path = folder / name
        if name.startswith(".") and now - path.lstat().st_mtime > STALE_DRAFT_S:
            yield path


_SENTENCES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "you may not write there",
    errno.EPERM: "you may not write there",
    errno.EMFILE: "too many files are open in this process",
    errno.ENOTDIR: "a part of that path is a file",
}


def explain_os_error(error: OSError, what: str, consequence: str = "; nothing was queued") -> SiteError:
    """One sentence for the user: `what` failed, because."""
    because = _SENTENCES.get(error.errno or 0, (error.strerror or str(error)).lower())
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    advice = "Free some space and submit again." if full else "Set embedded.directory in qhub.toml to another folder."
    return SiteError(f"{what}: {because}{consequence}.", advice=advice, where=str(error.filename or ""))
