"""The job kernel as a process of the supervisor: started, listened to, interrupted, killed.

This module is imported before the kernel starts, so it imports little.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from qhub_ext.runner import sockets

_PORTS = {"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5}

# read once, when a program begins: another value takes another program
_AT_START = ("PYTHON", "LD_", "DYLD_", "MALLOC_", "GLIBC_", "LC_", "LANG", "TZ")


class JobKernel:
    """Returns at once; the kernel boots by itself and reports on the status pipe (`read_status`).

    It is a fork of this process, which has just begun and has no threads: what both sides import is imported once. Only when
    the captured environment has variables that are read when a program begins, it is a new program.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.key = os.urandom(32).hex().encode()
        self.directory = sockets.make_directory(self._fill)
        if self.directory.parent != sockets.USUAL:  # the cell's own temporary files find the place as well
            environment = {"TMPDIR": os.environ.get("TMPDIR") or str(self.directory.parent), **environment}
        self._prefix = self.directory / "k"
        self._crash = os.open(self.directory / "crash", os.O_RDWR)
        order_read, self._order = os.pipe()
        self.status_fd, status_write = os.pipe()
        os.set_blocking(self.status_fd, False)
        self._pending = b""
        self._closed = False
        self._unread: list[dict[str, Any]] = []
        self._returncode: int | None = None
        supervisor = os.getpid()
        sys.stdout.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _become_kernel(
                str(self.directory / "connection.json"),
                (order_read, status_write, self._crash),
                supervisor,
                environment,
            )
        with contextlib.suppress(OSError):  # whoever comes first; after an exec it would be refused
            os.setpgid(self.pid, self.pid)  # SIGINT reaches the kernel and what it started, and not the supervisor
        os.close(order_read)
        os.close(status_write)
        try:
            self.pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, or an old one: `returncode` is asked instead
            self.pidfd = -1

    def _fill(self, directory: Path) -> None:
        connection = directory / "connection.json"
        for path in (connection, directory / "crash"):
            path.touch(0o600)
        facts = {"transport": "ipc", "ip": str(directory / "k"), "key": self.key.decode(), **_PORTS}
        connection.write_text(json.dumps({**facts, "signature_scheme": "hmac-sha256"}))

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
        """None while it runs; minus the signal that ended it."""
        if self._returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._returncode = os.waitstatus_to_exitcode(status)
        return self._returncode

    def interrupt(self) -> None:
        self._signal_group(signal.SIGINT)

    def kill(self) -> None:
        """The kernel and what it started. Also after its end: background children do not outlive the job."""
        self._signal_group(signal.SIGKILL)
        deadline = time.monotonic() + 5  # one in uninterruptible sleep is left to the site
        while self.returncode is None and time.monotonic() < deadline:
            if self.pidfd >= 0:
                select.select([self.pidfd], [], [], 0.5)
            else:
                time.sleep(0.01)

    def crash_report(self) -> str:
        """What faulthandler wrote when the kernel crashed."""
        return os.pread(self._crash, 16384, 0).decode("utf-8", "replace")

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.kill()
        for fd in (self._order, self.status_fd, self.pidfd, self._crash):
            if fd >= 0:
                os.close(fd)
        sockets.remove(self.directory)

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def _become_kernel(connection: str, fds: tuple[int, ...], supervisor: int, captured: dict[str, str]) -> NoReturn:
    """The forked child: nothing of it may travel up the stack."""
    try:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        keep = {0, 1, 2, *fds}
        for fd in range(3, 256):  # the lock of the attempt, above all, which would outlive us in a leftover child
            if fd not in keep:
                with contextlib.suppress(OSError):
                    os.close(fd)
        words = [connection, *map(str, fds), str(supervisor)]
        changed = {name: value for name, value in captured.items() if os.environ.get(name) != value}
        for name in [name for name in os.environ if name.startswith("JPY_")]:  # of the notebook that submitted
            del os.environ[name]
        os.environ.update(changed)
        # the allocator of Qiskit's compiled code takes a GiB at once, unused; a job's limit of memory would count that as the job's
        os.environ.setdefault("MIMALLOC_ARENA_EAGER_COMMIT", "0")
        if any(name.startswith(_AT_START) for name in changed):
            for fd in fds:
                os.set_inheritable(fd, True)
            code = "import gc, sys; gc.disable(); from qhub_ext.runner.jobkernel import main; main(sys.argv[1:])"
            # -P: a numpy.py in the user's directory must not decide whether the kernel boots
            os.execv(sys.executable, [sys.executable, "-P", "-c", code, *words])  # noqa: S606
        gc.disable()  # a third of its work at boot is looking at modules that stay for good; on again before the cell
        from qhub_ext.runner.jobkernel import main

        main(words)
        os._exit(0)
    except BaseException:  # noqa: BLE001 - the edge of the process
        import traceback

        traceback.print_exc()
    finally:
        os._exit(1)
