"""Processes that the cluster started, remembered by pid and kernel start time, so that a stranger is never ended."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any


class Daemons:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(
        self,
        name: str,
        command: list[str],
        log: Path,
        environment: dict[str, str],
        user: str | None = None,
        *,
        reaped: bool = False,
        holds: IO[str] | None = None,
    ) -> None:
        """`reaped`: the orphans of its descendants are taken in at once (see `reaper`). `holds`: a file whose lock it keeps as long as it lives."""
        if self.pid(name) is not None:
            return
        told, tell = os.pipe()
        if reaped:
            command = [sys.executable, "-ISB", str(Path(__file__).with_name("reaper.py")), str(tell), *command]
        who: dict[str, Any] = {}
        if user:
            entry = pwd.getpwnam(user)
            who = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        with log.open("ab") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=environment,
                cwd="/",
                start_new_session=True,
                pass_fds=(*((tell,) if reaped else ()), *((holds.fileno(),) if holds else ())),
                **who,
            )
        os.close(tell)
        process.returncode = 0  # it outlives this object; `stop` reaps it
        with open(told) as file:
            pid = int(file.read() or process.pid)
        record = {"pid": pid, "start": start_time(pid)}
        self._file(name).write_text(json.dumps(record))

    def pid(self, name: str) -> int | None:
        try:
            record = json.loads(self._file(name).read_text())
        except (OSError, ValueError):
            return None
        return record["pid"] if start_time(record["pid"]) == record["start"] else None

    def stopped(self, name: str) -> bool:
        """By SIGSTOP."""
        pid = self.pid(name)
        return pid is not None and state_of(pid) == "T"

    def names(self) -> list[str]:
        return sorted(file.stem for file in self.folder.glob("*.json"))

    def send(self, name: str, number: int) -> None:
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, number)

    def stop(self, name: str, number: int = signal.SIGTERM, within_s: float = 60.0) -> None:
        """Returns when it is gone; after `within_s` it is killed, and slurmctld then lacks what it would have saved."""
        deadline = time.monotonic() + within_s
        self.send(name, number)
        while (pid := self.pid(name)) is not None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # reaps it when it is our own child
            if time.monotonic() > deadline:
                self.send(name, signal.SIGKILL)
                deadline += 5
            time.sleep(0.01)
        self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def start_time(pid: int) -> str | None:
    """In ticks since boot; None for a process that is gone or a zombie."""
    fields = _stat(pid)
    return None if fields[0] == "Z" else fields[19]


def state_of(pid: int) -> str:
    """As the kernel writes it; Z also for a process that is gone."""
    return _stat(pid)[0]


def _stat(pid: int) -> list[str]:
    """From the state on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ["Z"]


def kill_steps(logs: set[str]) -> None:
    """Ends every slurmstepd that writes one of these logs, with all of its descendants: steps outlive their slurmd."""
    children: dict[int, list[int]] = {}
    doomed: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            pid = int(entry.name)
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(pid)
            # a step overwrites its own environment, but keeps the log of its node open
            if (entry / "cmdline").read_bytes().startswith(b"slurmstepd: [") and logs & {
                os.readlink(fd) for fd in (entry / "fd").iterdir()
            }:
                doomed.append(pid)
        except (OSError, ValueError):
            continue
    while doomed:
        pid = doomed.pop(0)  # parents first: a step must not report its killed task
        doomed += children.get(pid, [])
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
