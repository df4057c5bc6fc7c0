"""A process that jobs are forked from: the runner and its kernel imported, nothing of anybody's job, and one thread.

    PYTHON -m qhub_ext.sites.embedded.template_launcher SPOOL [DAEMON COMMAND ...]

It reads orders from stdin, {"attempt": PATH, "folder": PATH}, and forks a launcher for each; that one forks what the job's
script would have become: `python -m qhub_ext.runner FOLDER`. It leaves when stdin ends, and when a package was installed or
removed, or this one changed, since it began, so that a job never sees another package than a Python of its own would.
"""

from __future__ import annotations

import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the directory that the daemon is in: nothing is imported from there

from qhub_ext.sites.embedded.installed_code import (
    BEGAN_WITH,
    PACKAGE,
    code_on_disk,
)  # before the rest, which may be replaced

# isort: split
import gc
import json
import os
import signal
import time
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any, NoReturn

import qhub_ext
from qhub_ext.sites.embedded import launcher

RUNNER = "qhub_ext.runner"
"""By name, as in a script: a site does not know the runner."""


def main(arguments: list[str]) -> int:
    spool, *daemon = arguments
    before = stamps(looked_at(sys.path))
    import_module(f"{RUNNER}.ahead")
    gc.collect()
    gc.freeze()  # these objects stay: the collector of a forked process need not write to their pages
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # launchers that end leave no zombie
    if threads() != 1:
        tell(leaves="a module of this Python has started a thread, and a fork would lose it")
        return 1
    if stamps(looked_at(sys.path)) != before or code_on_disk() != BEGAN_WITH:
        tell(leaves="packages have changed while it began")
        return 1
    tell(ready=qhub_ext.__version__)
    for line in lines(0):
        if stamps(looked_at(sys.path)) != before:
            tell(leaves="packages have changed since it began")
            return 0
        if code_on_disk() != BEGAN_WITH:  # in an editable installation no folder need have changed
            tell(leaves="qhub_ext was changed since it began")
            return 0
        serve(json.loads(line), spool, daemon)
    return 0


def serve(order: dict[str, str], spool: str, daemon: list[str]) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, launcher.WATCHED)
    pid = os.fork()
    if pid == 0:
        become_launcher(order, spool, daemon)
    try:
        started: str | int = launcher.start_time(pid)
    except FileNotFoundError:
        started = -1  # it has ended already
    tell(pid=pid, start_time=_number(started))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, launcher.WATCHED)


def become_launcher(order: dict[str, str], spool: str, daemon: list[str]) -> NoReturn:
    """The forked child. Nothing of it may travel up the stack."""
    code = 1
    try:
        began = time.monotonic()
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        os.close(null)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        attempt, folder = order["attempt"], order["folder"]
        code = launcher.guarded(
            lambda: launcher.run(attempt, lambda _lock: run(folder, began), spool, daemon, how="forked"), attempt
        )
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - the edge of the process
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def run(folder: str, began: float) -> NoReturn:
    """What the script's `exec python -m qhub_ext.runner FOLDER` would do."""
    for number in (
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # as a Python that begins, whatever the daemon ignores
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    module: Any = import_module(f"{RUNNER}.__main__")
    sys.argv = [module.__file__, folder]
    code = module.main([folder], began)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def lines(fd: int) -> Iterator[bytes]:
    """Not by `sys.stdin`: what it had read ahead would be in every fork."""
    rest = b""
    while data := os.read(fd, 65536):
        *whole, rest = (rest + data).split(b"\n")
        yield from whole


def tell(**fields: Any) -> None:
    os.write(1, json.dumps(fields).encode() + b"\n")


def looked_at(path: Iterable[str], package: str = PACKAGE) -> list[str]:
    """Without the checkout that an editable installation adds: of what lies there only this package is imported, and that is looked at file by
    file. Every commit, test run and editor would change the folder itself.
    """
    own = os.path.dirname(package)
    if os.path.basename(own).endswith("-packages"):
        return [*path]
    return [folder for folder in path if os.path.realpath(folder) != os.path.realpath(own)]


def stamps(folders: Iterable[str]) -> dict[str, int]:
    """When something was last put into, or removed from, each of them."""
    found = {}
    for folder in folders:
        try:
            found[folder] = os.stat(folder).st_mtime_ns
        except OSError:
            found[folder] = -1
    return found


def threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:  # not Linux
        import threading

        return threading.active_count()


def _number(text: str | int) -> float | int:
    return float(text) if "." in str(text) else int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
