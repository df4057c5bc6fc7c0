"""What the place of execution says about this attempt: its number, and whether it is ours to run."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Mapping
from pathlib import Path

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder


def attempt_number(environment: Mapping[str, str]) -> int:
    """The launcher's word, else what Slurm counts (restarts, from 0), else the first."""
    for name, offset in (("QHUB_ATTEMPT", 0), ("SLURM_RESTART_COUNT", 1)):
        text = environment.get(name, "")
        if text.isdigit() and int(text) + offset > 0:
            return int(text) + offset
    return 1


def open_attempt(folder: JobFolder, number: int) -> AttemptFolder:
    attempt = folder.attempt(number)
    attempt.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return attempt


def claim(attempt: AttemptFolder) -> int:
    """Holds alive.lock, which says to everybody that this attempt runs; returns its descriptor, to be kept open.

    A launcher that started us holds it already and passed it on, or names our session in launch.json. Anybody else who
    holds it runs this attempt right now.
    """
    inherited = _inherited(attempt)
    if inherited is not None:
        return inherited
    fd = os.open(attempt.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            os.close(fd)
            raise
        launch = read_json_or_none(attempt.launch) or {}
        if os.getsid(0) not in (launch.get("session"), launch.get("pid")):
            os.close(fd)
            raise JobFolderError(
                f"Attempt {attempt.number} of this job is running already: {attempt.lock} is held."
            ) from None
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # as the launcher holds it
    return fd


def _inherited(attempt: AttemptFolder) -> int | None:
    try:
        wanted = os.stat(attempt.lock)
    except FileNotFoundError:
        return None
    for fd in range(3, 64):
        try:
            found = os.fstat(fd)
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            os.set_inheritable(fd, False)  # the job kernel must not keep the attempt alive
            return fd
    return None


def oom_kills(told: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> int:
    """How often this cgroup has been out of memory so far, of version 2 or 1; 0 where that cannot be read."""
    try:
        lines = [line.split(":", 2) for line in told.read_text().splitlines()]
    except OSError:
        return 0
    files = [root / path.lstrip("/") / "memory.events" for number, _, path in lines if number == "0"]
    files += [
        root / "memory" / path.lstrip("/") / "memory.oom_control"
        for _, controllers, path in lines
        if "memory" in controllers.split(",")
    ]
    return sum(_kills(file) for file in files)


def _kills(file: Path) -> int:
    try:
        return sum(int(line.split()[1]) for line in file.read_text().splitlines() if line.startswith("oom_kill "))
    except (OSError, ValueError, IndexError):
        return 0


def memory_headroom_mb() -> int:
    """What is granted beyond the job's memory: libraries reserve some 40 MiB per thread of a linear algebra pool and never
    touch it, but RLIMIT_DATA counts it.
    """
    return 256 + 48 * len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else [0])


def set_aside(attempt: AttemptFolder, size: int) -> None:
    """Disk space that a full disk cannot take from us: it is given back when the outcome is sealed. Raises OSError."""
    fd = os.open(attempt.reserve, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, size)
        else:
            os.write(fd, b"\0" * size)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
        os.write(fd, b"\0" * size)
    finally:
        os.close(fd)


def give_half_back(attempt: AttemptFolder) -> None:
    """For outputs that found no room; the other half stays for the outcome."""
    with contextlib.suppress(FileNotFoundError):
        os.truncate(attempt.reserve, attempt.reserve.stat().st_size // 2)


def give_back(attempt: AttemptFolder) -> None:
    attempt.reserve.unlink(missing_ok=True)
