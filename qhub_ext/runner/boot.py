"""How an ipykernel is made one for a single job: no profile, no history, no debugger, and nothing lost when it leaves."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

from qhub_ext.runner.status import StatusPipe

_HAND_OVER_S = 5.0


def without_debugger() -> None:
    """Nobody attaches a debugger to a job, and debugpy is a fifth of ipykernel's imports. `import debugpy` still works."""
    if "debugpy" not in sys.modules:
        sys.modules["debugpy"] = None  # type: ignore[assignment]
        import ipykernel.debugger

        del sys.modules["debugpy"]
        assert not ipykernel.debugger._is_debugpy_available


def make_app(connection: Path) -> Any:
    """An IPKernelApp that reads nobody's profile: a start-up file of the user's must not decide whether a job runs."""
    from ipykernel.kernelapp import IPKernelApp
    from traitlets import default
    from traitlets.config import Config

    class JobKernelApp(IPKernelApp):
        @default("ipython_dir")
        def _private_ipython_dir(self) -> str:
            directory = connection.parent / "ipython"
            directory.mkdir(mode=0o700)
            return str(directory)

        def load_config_file(self, *_: Any, **__: Any) -> None:
            pass

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.history_length = 0
    app = JobKernelApp.instance(
        config=config,
        connection_file=str(connection),
        outstream_class="qhub_ext.runner.jobstream.JobStream",
        parent_handle=os.getppid(),
        exec_PYTHONSTARTUP=False,
        log_level=50,
    )
    app.initialize([])
    return app


def forget_outputs(shell: Any) -> None:
    """IPython 9 keeps all that a cell prints and displays for its history, in memory: gigabytes of an endless loop's."""
    if hasattr(shell, "_tee"):
        shell._tee = lambda channel: contextlib.nullcontext()  # noqa: ARG005 - the name is IPython's
    if hasattr(shell.history_manager, "outputs"):
        shell.history_manager.outputs = defaultdict(lambda: deque(maxlen=0))


def boot(connection: Path, status: StatusPipe) -> Any:
    began = time.perf_counter()
    without_debugger()
    from qhub_ext.runner.jobstream import BUDGET, hold_displays_to_budget

    app = make_app(connection)
    hold_displays_to_budget(app.iopub_thread)
    streams: list[Any] = [sys.stdout, sys.stderr]
    for stream in streams:
        stream.silence_copy()
    BUDGET.report = lambda cut: status.tell("cut", bytes=cut)
    forget_outputs(app.shell)
    app.shell.ask_exit = lambda: None  # exit() and quit() end the kernel after the cell, which is what happens anyway
    warnings.filterwarnings("ignore", message="To exit: use 'exit'")
    flush_before_exit()
    status.tell("bound", seconds=time.perf_counter() - began)
    return app


def flush_before_exit() -> None:
    """`os._exit` in a cell: what was printed before it is still in this process, and would go with it."""
    from qhub_ext.runner.jobstream import until_handed_over

    leave, kernel = os._exit, os.getpid()

    def flush_and_leave(code: int) -> None:
        if os.getpid() == kernel:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):  # leaving is what was asked for
                    stream.flush()
            until_handed_over(_HAND_OVER_S, 0.05)
        leave(code)

    os._exit = flush_and_leave  # type: ignore[assignment]
