"""The job kernel: an ipykernel that is handed one job.

It boots, waits for its order (one JSON line: the folder and the attempt), sets the scene, and serves one cell like any
kernel. What the supervisor must know beside Jupyter's own messages goes through the status pipe, one JSON line each:

    bound       sockets are open; seconds of boot
    ready       the scene is set; seconds, notes
    refused     the scene cannot be set: state, cause, message, advice
    cut         bytes of output that were left out
    ended       how the cell ended: line of the error, exit code of a SystemExit
    harvested   names of the variables that came back; notes
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import faulthandler
import gc
import io
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from qhub_ext.capture.search_path import add_folders
from qhub_ext.errors import Cause, JobFolderError, QhubError
from qhub_ext.runner.boot import boot
from qhub_ext.runner.early import import_ahead
from qhub_ext.runner.kernel_job import KernelJob
from qhub_ext.runner.status import StatusPipe

_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """A job kernel without its supervisor would run a second time beside the next attempt."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def offer_to_oom_killer() -> None:
    """When memory runs out, the kernel goes, and the supervisor stays to say so."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def wake_loop_on_signals() -> None:
    """ipykernel cancels an awaiting cell in its SIGINT handler, which does not wake the loop: nothing would happen until the
    loop wakes for another reason.
    """
    from tornado.ioloop import IOLoop

    read, write = os.pipe()
    for fd in (read, write):
        os.set_blocking(fd, False)
    IOLoop.current().add_handler(read, _drain, IOLoop.READ)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)


def leave_when_told(fd: int) -> None:
    from tornado.ioloop import IOLoop

    IOLoop.current().add_handler(fd, lambda *_: leave(), IOLoop.READ)


def _drain(fd: int, _events: int) -> None:
    os.read(fd, 4096)


_exit = os._exit
_app: Any = None
_job: KernelJob | None = None


def finish() -> None:
    """The supervisor's last request to this kernel; when it has the reply it says that the kernel may leave."""
    from IPython.core.getipython import get_ipython

    from qhub_ext.runner.jobstream import JobStream

    if _job is not None:
        _job.harvest(get_ipython())
    JobStream.silent = True


def leave() -> None:
    """What the end of a Python process does for user code, without the part that waits for sockets (seconds, at times)."""
    from qhub_ext.runner.jobstream import JobStream

    threading._shutdown()  # type: ignore[attr-defined]
    for ours in (_app.close, _app.iopub_thread.stop):
        atexit.unregister(ours)
    atexit._run_exitfuncs()
    for item in gc.get_objects():
        if isinstance(item, io.IOBase) and not item.closed and item.writable():
            with contextlib.suppress(Exception):  # a file of the user's that cannot be flushed now never could
                item.flush()
    if JobStream.silent:  # all that was ever written has arrived: the supervisor had a reply that came after it
        _exit(0)
    os._exit(0)


def main(arguments: list[str]) -> None:
    global _app, _job
    connection, order_fd, status_fd, crash_fd, parent = Path(arguments[0]), *(int(word) for word in arguments[1:5])
    status = StatusPipe(status_fd)
    sys.argv = [""]
    die_with_parent(parent)
    offer_to_oom_killer()
    faulthandler.enable(crash_fd)
    app = _app = boot(connection, status)
    orders = os.fdopen(order_fd, "rb")
    order = json.loads(orders.readline() or b"null")
    while order and "imports" in order:
        add_folders(order.get("folders"))
        status.tell("imported", failed=import_ahead(order["imports"]))
        order = json.loads(orders.readline() or b"null")
    if not order:
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        _job = KernelJob(order, status)
        _job.set_scene(app.shell)
        _job.import_early()
    except KeyboardInterrupt:
        status.tell("refused", interrupted=True)
        return
    except QhubError as error:
        cause = Cause.ENVIRONMENT if isinstance(error, JobFolderError) else error.cause
        status.tell("refused", cause=cause.value, message=error.message, advice=error.advice)
        return
    except Exception as error:  # noqa: BLE001 - a pickle may raise anything
        import traceback

        status.tell(
            "refused",
            cause=(Cause.RESOURCES if isinstance(error, MemoryError) else Cause.ENVIRONMENT).value,
            message=f"The captured values could not be loaded: {type(error).__name__}: {error}".rstrip(".") + ".",
            advice="Compare the packages of the place of submission (runtime.json) with those of the job.",
            traceback=traceback.format_exc().splitlines(),
        )
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wake_loop_on_signals()
    leave_when_told(orders.fileno())
    gc.freeze()
    gc.enable()
    app.start()
