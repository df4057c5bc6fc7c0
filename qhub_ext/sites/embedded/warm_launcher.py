"""A launcher whose runner is started beforehand, with a kernel that has imported what jobs import.

    python -I -S launch.py warm SPOOL RUNNER-COMMAND-JSON [DAEMON COMMAND ...]

It passes the runner's `ready` on to its own stdout, then waits for one line of JSON on stdin:
{"attempt": PATH, "folder": PATH, "number": N}. From there on it is a launcher like any other: it claims the attempt,
hands the job to the runner, and records the end. When stdin ends first, because the daemon has ended or wants it no
more, it takes the runner with it.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import termios
import time
from typing import NoReturn

if __package__:
    from qhub_ext.sites.embedded import launcher
    from qhub_ext.sites.embedded.installed_code import code_on_disk
else:
    import launcher  # type: ignore[import-not-found,no-redef]
    from installed_code import code_on_disk  # type: ignore[import-not-found,no-redef]

PATIENCE_S = 5.0


class Runner:
    """The process that is kept ready, its two pipes, and the signals that concern it."""

    def __init__(self, command: list[str]) -> None:
        self.stdin_end, self.stdin = os.pipe()
        self.stdout, self.stdout_end = os.pipe()
        self.ears, self._mouth = os.pipe()
        for end in (self.ears, self._mouth, self.stdout):
            os.set_blocking(end, False)
        self.term = False
        self.status: int | None = None
        self.tail = b""
        signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        usual = launcher.set_oom_score("500")
        self.pid = os.fork()
        if self.pid == 0:
            self._become(command)
        launcher.set_oom_score(usual)
        os.close(self.stdin_end)
        os.close(self.stdout_end)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGCHLD))

    def _become(self, command: list[str]) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            os.dup2(self.stdin_end, 0)
            os.dup2(self.stdout_end, 1)
            os.dup2(self.stdout_end, 2)
            launcher.become(command)
        finally:
            os._exit(127)

    def _on_term(self, *_: object) -> None:
        self.term = True

    def wait(self, *others: int) -> list[int]:
        """Until something can be read, or a signal came: which of `others` and of the runner's output it is."""
        watched = [self.ears, *others, *([self.stdout] if self.stdout >= 0 else [])]
        ready, _, _ = select.select(watched, [], [])
        if self.ears in ready:
            os.read(self.ears, 512)
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
        if self.term and self.status is None:
            self.term = False
            os.kill(self.pid, signal.SIGTERM)
        return [end for end in ready if end != self.ears]

    def read(self) -> bytes:
        """What it printed; empty at the end, and when there is nothing now."""
        try:
            data = os.read(self.stdout, 1 << 16)
        except BlockingIOError:
            return b""
        if not data:
            os.close(self.stdout)
            self.stdout = -1
        return data

    def unread(self) -> bool:
        """Whether it has left something of its stdin."""
        left = fcntl.ioctl(self.stdin, termios.FIONREAD, b"\0" * 4)
        return any(left)

    def dismiss(self) -> None:
        """The end of its stdin, some patience, then a KILL to the session."""
        os.close(self.stdin)
        until = time.monotonic() + PATIENCE_S
        while self.status is None and time.monotonic() < until:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = status
            time.sleep(0.05)
        launcher.kill_leftovers()


def warm(spool: str, command: str, daemon: list[str]) -> int:
    runner = Runner(json.loads(command))
    order = _wait_for_order(runner)
    if order is None:
        runner.dismiss()
        return launcher.NOT_FIRST
    attempt = order["attempt"]
    try:
        launcher.open_attempt(attempt)
        mine = launcher.claim(attempt, runner.pid, launcher.count_oom_kills(), "warm")
        if not mine or os.path.exists(f"{attempt}/outcome.json"):
            runner.dismiss()
            return launcher.NOT_FIRST
    except OSError:
        runner.dismiss()
        raise
    if not _execute(runner, order):
        launcher.kill_leftovers()  # without exit.json and console the site knows that nothing ran, and begins a new attempt
        launcher.ring(spool, daemon)
        return launcher.NOT_FIRST
    assert runner.status is not None
    launcher.finish(attempt, runner.status, spool, daemon)
    return 0


def _wait_for_order(runner: Runner) -> dict[str, str] | None:
    """None when the daemon wants nothing any more, the runner has ended, or its package was changed under it."""
    package, code, words = "", None, b""
    while runner.status is None:
        for end in runner.wait(0):
            if end == 0:
                line = sys.stdin.buffer.readline()
                order = json.loads(line) if line.endswith(b"\n") else None
                if package and code_on_disk(package) != code:
                    os.write(2, b"warm kernel: qhub_ext was changed since it began\n")
                    return None
                return order if code is not None and runner.status is None else None
            words += runner.read()
            *lines, words = words.split(b"\n")
            for line in lines:
                word, _, folder = line.strip().partition(b" ")
                if word == b"ready" and code is None:
                    package = os.fsdecode(folder)
                    code = code_on_disk(package) if package else ()
                    os.write(1, b"ready\n")
                else:
                    os.write(2, b"warm kernel: " + line + b"\n")
    return None


def _execute(runner: Runner, order: dict[str, str]) -> bool:
    """False when the runner had ended before it read its order."""
    line = json.dumps({"folder": order["folder"], "attempt": int(order["number"])}) + "\n"
    try:
        os.write(runner.stdin, line.encode())
    except BrokenPipeError:
        return False
    console = launcher.open_console(order["attempt"])
    while runner.status is None:
        if runner.stdout in runner.wait():
            _copy(runner.read(), console)
    # what is left of its output; children of it may keep the pipe open, so that its end is not waited for
    while runner.stdout >= 0 and (data := runner.read()):
        _copy(data, console)
    os.close(console)
    if runner.unread():
        os.unlink(f"{order['attempt']}/console.log")
        return False
    return True


def _copy(data: bytes, console: int) -> None:
    try:
        os.write(console, data)
    except OSError as error:
        # a full disk must not stop the job: its outcome says more than its console
        os.write(2, f"launcher: console: {error}\n".encode())
