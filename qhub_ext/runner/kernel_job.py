"""The one job of a job kernel: its scene, its cells and their spans, and what is brought back of it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from qhub_ext.capture.search_path import own_folders
from qhub_ext.job.notebook import first_cell
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.runner.early import first_imports, import_ahead, without_a_word
from qhub_ext.runner.memory import MIB, limit_memory, raise_memory_limit
from qhub_ext.runner.raised import facts_of
from qhub_ext.runner.status import StatusPipe
from qhub_ext.telemetry import recorder as spans
from qhub_ext.telemetry.context import VARIABLE, context_of_job


class KernelJob:
    """Between the order and the harvest."""

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
