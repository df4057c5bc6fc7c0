"""The job kernel as a process of the supervisor: started, listened to, interrupted, killed."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from qhub_ext.runner.wire import new_key

_PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}
_DAY_S = 86400


class JobKernel:
    """`start` returns at once; the kernel boots by itself and reports on the status pipe (`read_status`)."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.key = new_key()
        self.directory = _make_socket_directory()
        self._prefix = self.directory / "k"
        connection = self.directory / "connection.json"
        connection.write_text(
            json.dumps(
                {
                    "transport": "ipc",
                    "ip": str(self._prefix),
                    "key": self.key.decode(),
                    "signature_scheme": "hmac-sha256",
                    **_PORTS,
                }
            )
        )
        connection.chmod(0o600)
        self._crash = (self.directory / "crash").open("w+b")
        order_read, self._order = os.pipe()
        self.status_fd, status_write = os.pipe()
        os.set_blocking(self.status_fd, False)
        self._pending = b""
        self._closed = False
        self._unread: list[dict[str, Any]] = []
        fds = (order_read, status_write, self._crash.fileno())
        # -P: a numpy.py in the user's directory must not decide whether the kernel boots
        command = [sys.executable, "-P", "-m", "qhub_ext.runner.jobkernel", str(connection), *map(str, fds)]
        try:
            self.process = subprocess.Popen(
                [*command, str(os.getpid())],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=fds,
                process_group=0,  # SIGINT reaches the kernel and what it started, and not the supervisor
            )
        finally:
            os.close(order_read)
            os.close(status_write)
        try:
            self.pidfd = os.pidfd_open(self.process.pid)
        except (AttributeError, OSError):  # not Linux, or an old one: `poll` is asked instead
            self.pidfd = -1

    def endpoint(self, channel: str) -> str:
        return f"ipc://{self._prefix}-{_PORTS[channel + '_port']}"

    def order(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # a kernel that died at boot is noticed by its exit
            os.write(self._order, json.dumps(message).encode() + b"\n")

    def read_status(self) -> list[dict[str, Any]]:
        """Whole lines that came since the last call."""
        while True:
            try:
                data = os.read(self.status_fd, 65536)
            except BlockingIOError:
                break
            if not data:
                break
            self._pending += data
        *lines, self._pending = self._pending.split(b"\n")
        found, self._unread = self._unread, []
        for line in lines:
            with contextlib.suppress(ValueError):  # a forked child that was killed in the middle of a line
                found.append(json.loads(line))
        return found

    def unread(self, lines: list[dict[str, Any]]) -> None:
        """Puts lines back that somebody else will want to read."""
        self._unread = [*lines, *self._unread]

    @property
    def returncode(self) -> int | None:
        return self.process.poll()

    def interrupt(self) -> None:
        self._signal_group(signal.SIGINT)

    def kill(self) -> None:
        """The kernel and what it started. Also after its end: background children do not outlive the job."""
        self._signal_group(signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # in uninterruptible sleep: the site will say more
            self.process.wait(5)

    def crash_report(self) -> str:
        """What faulthandler wrote when the kernel crashed."""
        self._crash.seek(0)
        return self._crash.read(16384).decode("utf-8", "replace")

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.kill()
        for fd in (self._order, self.status_fd, self.pidfd):
            if fd >= 0:
                os.close(fd)
        self._crash.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)


def kernel_environment(captured: dict[str, str]) -> dict[str, str]:
    """What the place of execution has, and over it what travelled with the job."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("JPY_")}
    return {**inherited, **captured}


def resident_mb(pid: int) -> float:
    """Memory of a process and its descendants, in MiB; shared pages count once. 0 where /proc cannot say."""
    total = 0
    for member in [pid, *_descendants(pid)]:
        with contextlib.suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{member}/statm").read_text().split()[1])
    return total * os.sysconf("SC_PAGE_SIZE") / 1048576


def proportional_mb(pid: int) -> float:
    """As `resident_mb`, with shared pages divided among those who share them: right for forks, and slower."""
    total = 0
    for member in [pid, *_descendants(pid)]:
        with contextlib.suppress(OSError, ValueError):
            for line in Path(f"/proc/{member}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{thread}/children").read_text().split():
                found += [int(child), *_descendants(int(child))]
    return found


def _make_socket_directory() -> Path:
    """Under /tmp and short: a socket's path may have 107 characters, and TMPDIR on clusters often has more."""
    root = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    _sweep(root)
    while True:
        path = root / f"qhub-{os.getpid()}-{secrets.token_hex(4)}"
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
            return path


def _sweep(root: Path) -> None:
    """Directories of supervisors that were killed, after a day."""
    with contextlib.suppress(OSError):
        for path in root.glob("qhub-*-*"):
            found = path.lstat()
            old = time.time() - found.st_mtime > _DAY_S
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and old and not _alive(path.name):
                shutil.rmtree(path, ignore_errors=True)


def _alive(name: str) -> bool:
    pid = name.split("-")[1]
    return not pid.isdigit() or Path(f"/proc/{pid}").exists()
