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
import time
import warnings
from pathlib import Path
from typing import Any

from qhub_ext.capture.search_path import add_folders, own_folders
from qhub_ext.errors import Cause, JobFolderError, QhubError
from qhub_ext.job.notebook import first_cell
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.runner.boot import boot
from qhub_ext.runner.early import first_imports, import_ahead, without_a_word
from qhub_ext.runner.memory import MIB, limit_memory, raise_memory_limit
from qhub_ext.runner.raised import facts_of
from qhub_ext.runner.status import StatusPipe
from qhub_ext.telemetry import recorder as spans
from qhub_ext.telemetry.context import VARIABLE, context_of_job

_PDEATHSIG = 1


class Job:
    """The one job of this kernel, between the order and the harvest."""

    def __init__(self, order: dict[str, Any], status: StatusPipe) -> None:
        self.folder = JobFolder(Path(order["folder"]))
        self.attempt = self.folder.attempt(int(order["attempt"]))
        self.spec = read_spec(self.folder)
        self.cell = self.folder.cell.read_text("utf-8")
        self.status = status
        self._unsaid: list[warnings.WarningMessage] = []
        self._unwritten: list[tuple[Any, str]] = []
        self._pid = os.getpid()
        self._runs = self._number = 0
        self._span: Any = None
        self._profile: Any = None
        self._kernel_loop: Any = None
        root = context_of_job(self.spec.id, self.spec.traceparent).below("attempt", self.attempt.number)
        path = self.attempt.spans / "kernel.jsonl"
        spans.install(spans.Recorder(path, root, "qhub-kernel", qhub__job__id=self.spec.id, qhub__job__attempt=self.attempt.number))  # fmt: skip
        self._root = root

    def set_scene(self, shell: Any) -> None:
        from qhub_ext.runner import setting
        from qhub_ext.runner.jobstream import BUDGET

        began = time.perf_counter()
        BUDGET.allow(self.spec.output_limit_mb * MIB)
        limit_memory(self.spec.memory_mb)
        os.environ["QHUB_ATTEMPT"] = str(self.attempt.number)  # a kernel that was kept ready did not know it
        notes = setting.go_to_directory(self.spec)
        if sys.path[:1] != [""]:
            sys.path.insert(0, "")
        setting.enter_context(self.spec, self.folder, self.attempt)
        namespace = shell.user_ns
        with spans.recording("load inputs", "environment"):
            notes += setting.restore_inputs(self.folder, self.attempt, namespace)
        setting.show_figures()
        if self.spec.element is not None:
            namespace.update(self.spec.element.values)
        if self.spec.kind == "script":
            self._become_script(shell)
        if self.spec.kind == "notebook":
            self._become_notebook(shell)
        elif "%qpu" in self.cell:  # which says here that it does nothing
            from qhub_ext.runner.in_place import register

            register(shell)
        if spans.recorder() is not None:
            from qhub_ext.telemetry.transpiling import watch

            watch()
        if self.spec.profile_sampled:
            from qhub_ext.runner.sampling import Sampling

            self._profile = Sampling(self.attempt)
            self._profile.begin()  # it takes a moment before it looks
        elif self.spec.profile_classical:
            from qhub_ext.runner.profile import Profile

            self._profile = Profile(self.attempt)
        shell.events.register("pre_run_cell", self.before_cell)
        shell.events.register("post_run_cell", self.after_cell)
        self.status.tell("ready", seconds=time.perf_counter() - began, notes=notes)

    def import_early(self) -> None:
        """While the supervisor connects, and while the collector rests: the cell's own imports, where it begins with them."""
        from qhub_ext.runner.jobstream import JobStream

        cell = self.cell if self.spec.kind != "notebook" else first_cell(read_json(self.folder.notebook))
        names = first_imports(cell, beside=[sys.path[0] or os.getcwd(), *own_folders()["first"]])
        if any(name not in sys.modules for name in names):
            JobStream.held = self._unwritten
            try:
                with spans.recording("import ahead", "environment"), without_a_word() as self._unsaid:
                    import_ahead(names)
            finally:
                JobStream.held = None

    def _become_script(self, shell: Any) -> None:
        path = self.spec.file or str(self.folder.cell)
        sys.argv = [path, *self.spec.arguments]
        shell.user_ns["__file__"] = path
        beside = str(Path(path).parent)
        # of a job that somebody else gave away, its folder may be closed here: libraries stumble over such an entry
        sys.path[0] = beside if os.access(beside, os.R_OK | os.X_OK) else os.getcwd()
        for name in ("exit", "quit"):  # they end a script at once, as under python FILE
            shell.user_ns[name] = sys.exit
        shell.ast_node_interactivity = "none"
        shell.automagic = False
        with contextlib.suppress(SyntaxError):  # which it will tell when it runs
            text = shell.transform_cell(self.cell)
            if not shell.should_run_async(self.cell, transformed_cell=text):
                from qhub_ext.runner.script_loop import KernelLoop

                self._kernel_loop = KernelLoop()

    def _become_notebook(self, shell: Any) -> None:
        from qhub_ext.runner.in_place import register

        register(shell)
        for name in ("exit", "quit"):  # no cell runs after them
            shell.user_ns[name] = sys.exit

    def before_cell(self, _info: Any) -> None:
        from qhub_ext.runner.jobstream import JobStream  # only after ipykernel

        JobStream.patient = True
        unwritten, self._unwritten = self._unwritten, []
        for stream, text in unwritten:
            stream.write(text)
        unsaid, self._unsaid = self._unsaid, []
        for warning in unsaid:
            warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
        self._begin_span()
        if self._kernel_loop is not None:
            self._kernel_loop.hide()

    def _begin_span(self) -> None:
        """The outermost cell's: cells that a cell runs are within it. The supervisor knows its id, and writes it where this process cannot."""
        self._runs += 1
        if self._runs > 1:
            return
        self._number += 1
        own = self._root.below("cell", self._number)
        os.environ[VARIABLE] = own.traceparent  # for the user's own OpenTelemetry, and for child processes
        opened = spans.begin("cell", "classical", own=own, qhub__cell__number=self._number)
        self._span = opened, spans.enter(opened)
        if self._profile is not None:
            self._profile.begin()

    def _end_span(self, error: BaseException | None) -> None:
        self._runs -= 1
        if self._runs or self._span is None:
            return
        if self._profile is not None:
            self._profile.end()
        opened, token = self._span
        spans.leave(token)
        spans.finish(opened, error)

    def after_cell(self, result: Any) -> None:
        """Called after cells that the cell runs, too (`%%capture`); the cell's own end comes last, and counts."""
        from qhub_ext.runner.jobstream import JobStream

        if os.getpid() != self._pid:
            # a child that the cell forked ran on to the cell's end: two kernels on the same sockets help nobody
            sys.stdout.flush()
            os._exit(0)
        if self._kernel_loop is not None and self._runs == 1:
            self._kernel_loop.show()
        JobStream.patient = False
        error = result.error_before_exec or result.error_in_exec
        self._end_span(error)
        facts: dict[str, Any] = {}
        if error is not None:
            facts = facts_of(error, _cell_files())
        self.status.tell("ended", **facts)

    def harvest(self, shell: Any) -> None:
        from qhub_ext.runner import setting

        raise_memory_limit()
        try:
            if self._profile is not None:
                self._profile.write()
            with spans.recording("put variables away", "return"):
                found = setting.harvest(self.spec, self.folder, self.cell, self.attempt, shell.user_ns)
        except Exception as error:  # noqa: BLE001 - the edge of the process: the outcome is sealed with this sentence
            sentence = f"Variables did not come back: {type(error).__name__}: {error}".rstrip(".") + "."
            self.status.tell("harvested", variables=[], notes=[sentence])
        else:
            notes = [*found.notes, *filter(None, [self._profile.note if self._profile is not None else ""])]
            self.status.tell("harvested", variables=found.variables, notes=notes, disk_full=found.disk_full)


def _cell_files() -> str:
    from ipykernel.compiler import get_tmp_directory

    return str(get_tmp_directory())


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
_job: Job | None = None


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
        _job = Job(order, status)
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
