"""Which process is which: a pid alone proves nothing, a pid with its start time and boot does.

On Linux the kernel tells when a process ends (pidfd); elsewhere psutil is asked.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LINUX = sys.platform.startswith("linux") and Path("/proc/self/stat").exists()
HAS_PIDFD = LINUX and hasattr(os, "pidfd_open")


@dataclass(frozen=True)
class Process:
    """`start_time` in clock ticks since boot where there is /proc, else in s since 1970 UTC."""

    pid: int
    start_time: float
    boot_id: str = ""

    def lives(self) -> bool:
        if self.boot_id and self.boot_id != boot_id():
            return False
        return start_time(self.pid) == self.start_time

    def send(self, number: int) -> bool:
        """False when it is gone. The process that gets the signal is this one, not a later owner of its pid."""
        if not HAS_PIDFD:
            return self.lives() and _kill(self.pid, number)
        try:
            fd = os.pidfd_open(self.pid)
        except (ProcessLookupError, OSError):
            return False
        try:
            if not self.lives():
                return False
            signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            return False
        finally:
            os.close(fd)
        return True


def process_of(record: dict[str, Any] | None, *, boot: str = "") -> Process | None:
    """From the launcher's record; None when it holds no process."""
    if not record or not isinstance(record.get("pid"), int):
        return None
    return Process(record["pid"], record.get("start_time", 0), record.get("boot_id", boot))


def boot_id() -> str:
    global _boot_id
    if _boot_id is None:
        try:
            _boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            _boot_id = ""
    return _boot_id


_boot_id: str | None = None


def start_time(pid: int) -> float | None:
    """None for a process that has ended, also for one that nobody has reaped yet."""
    if not LINUX:
        import psutil

        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
        except psutil.Error:
            return None
    fields = _stat(pid)
    return None if fields is None or fields[0] in (b"Z", b"X") else int(fields[19])


def session_members(session: int) -> list[int]:
    """Living processes of a session."""
    if not LINUX:
        import psutil

        return [pid for pid in psutil.pids() if _session(pid) == session]
    wanted, found = str(session).encode(), []
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields is not None and fields[3] == wanted and fields[0] not in (b"Z", b"X"):
                found.append(int(name))
    return found


def memory_mb(session: int) -> float:
    """Of all processes of a session, in MiB; what they share with others counts by its part. 0 where the kernel does not tell."""
    total = 0
    for pid in session_members(session):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as file:
                total += next((int(line.split()[1]) for line in file if line.startswith("Pss:")), 0)
        except OSError:
            continue  # it has ended, or this is not Linux
    return total / 1024


def kill_session(session: int, *, spare: int = 0, rounds: int = 20) -> bool:
    """KILL to every process of a session but `spare`, again until none is left: children may be born meanwhile."""
    for _ in range(rounds):
        members = [pid for pid in session_members(session) if pid not in (spare, os.getpid())]
        if not members:
            return True
        for pid in members:
            if _session(pid) == session:
                _kill(pid, signal.SIGKILL)
        time.sleep(0.005)
    return False


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _kill(pid: int, number: int) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _stat(pid: int) -> list[bytes] | None:
    """Fields of /proc/PID/stat from the third on: state, parent, group, session, ... (start time is the twentieth)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            text = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rfind(b")") + 2 :].split()  # the name before it may hold spaces and brackets
