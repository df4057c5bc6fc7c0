"""The notebook's front end: `%qpu` and `%%qpu`. Parses, calls the service, shows; nothing is decided here.

Loading it imports nothing heavy: the first `%%qpu` does.
"""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope

from qhub_ext.errors import QhubError, UserError
from qhub_ext.job import context

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from qhub_ext.service import Draft, Job, JobService

# a cell that begins with other magics still belongs to them: %%qpu is the first line or not there at all
_CHOICES = ("tier", "device", "shots", "seed", "profile", "time_s", "cpus", "memory_mb", "site")


def register(shell: InteractiveShell) -> None:
    context.default_from(_default_context)
    shell.register_magics(QpuMagics(shell))


def _default_context() -> context.ExecutionContext:
    from qhub_ext.settings import current_settings

    settings = current_settings()
    return context.ExecutionContext(tier="local", device=settings.device, shots=settings.shots)


@magics_class
class QpuMagics(Magics):
    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._service: JobService | None = None
        self._chosen: dict[str, Any] = {}

    @property
    def service(self) -> JobService:
        from qhub_ext.service import JobService
        from qhub_ext.settings import current_settings

        settings = current_settings()
        if self._service is None or self._service.settings != settings:
            self._service = JobService(settings)
        return self._service

    @needs_local_scope
    @line_cell_magic
    def qpu(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        if cell is None and re.fullmatch(r"\s*(-h|--help|help)\s*", line):
            print(self.qpu.__doc__)
            return None
        try:
            if cell is None:
                return self._verb(line)
            return self._submit(line, cell, local_ns)
        except UserError as error:
            raise UsageError(str(error)) from None
        except QhubError as error:
            raise UsageError(f"{error} [{error.cause}]") from None

    # -- %%qpu

    def _submit(self, line: str, cell: str, local_ns: dict[str, Any] | None) -> Any:
        from qhub_ext.capture.command import parse_line

        namespace = self.shell.user_ns if not local_ns or local_ns is self.shell.user_ns else self.shell.user_ns | local_ns
        request = parse_line(line, namespace).over(self._chosen)
        draft = self.service.draft(request, cell, namespace)
        for warning in draft.warnings:
            print(f"Note: {warning}", file=sys.stderr)
        if request.dry_run:
            return self._preview(draft)
        job = self.service.submit(draft)
        if not request.wait:
            return job
        return self._wait(job)

    def _preview(self, draft: Draft) -> Any:
        from qhub_ext.widgets.preview import preview_text
        from qhub_ext.verbs import Text

        script = self.service.site(draft.spec.site).render_script(self.service.shelf.folder(draft.spec.id))
        return Text(preview_text(draft.spec, draft.inputs(), draft.names, script, draft.warnings, len(draft.elements)))

    def _wait(self, job: Job) -> Any:
        from qhub_ext.job.state import State
        from qhub_ext.service.job import failure
        from qhub_ext.widgets.progress import Progress

        with Progress(job.id) as progress:
            try:
                record = job.wait(progress=progress.show)
            except KeyboardInterrupt:
                progress.close()
                print("Waiting was interrupted; the job goes on.", file=sys.stderr)
                return job
        job.show()
        brought = job.fetch(self.shell.user_ns) if len(job._available()) else []
        if record.state is not State.COMPLETED:
            raise failure(record)
        if brought:
            print(f"In the notebook now: {', '.join(brought)}.", file=sys.stderr)
        return job

    # -- %qpu

    def _verb(self, line: str) -> Any:
        import click

        from qhub_ext.verbs import Surface, verbs

        try:
            words = shlex.split(line)
        except ValueError as error:
            raise UsageError(f"{line!r} cannot be read: {error}. Put names with spaces in quotes.") from None
        if words[:1] == ["use"]:
            return self._use(line.strip()[3:])
        surface = Surface(
            self.service,
            namespace=self.shell.user_ns,
            write=lambda text: print(text, end="", flush=True),
            chosen=lambda: self._chosen,
        )
        try:
            return verbs.main(words, prog_name="%qpu", standalone_mode=False, obj=surface)
        except click.ClickException as error:
            raise UsageError(error.format_message()) from None
        except click.Abort:
            raise KeyboardInterrupt from None

    def _use(self, line: str) -> Any:
        from qhub_ext.capture.command import parse_line
        from qhub_ext.verbs import Text

        words = line.strip()
        if words and not words.startswith("-"):  # `use emulation` says the tier without its option
            words = f"--tier {words}"
        request = parse_line(words, self.shell.user_ns)
        chosen = {n: getattr(request, n) for n in _CHOICES if getattr(request, n) is not None}
        if chosen.get("device"):
            from qhub_ext.tiers import catalog

            chosen["device"] = catalog.resolve(chosen["device"])
        self._chosen |= chosen
        context.enter(
            context.ExecutionContext(
                tier="local",
                device=self._chosen.get("device", self.service.settings.device),
                shots=self._chosen.get("shots", self.service.settings.shots),
                seed=self._chosen.get("seed"),
            )
        )
        told = ", ".join(f"{n.removesuffix('_s').removesuffix('_mb')} {v}" for n, v in self._chosen.items())
        return Text(f"%%qpu cells of this notebook use {told or 'the defaults'}; plain cells run here, on tier local.")


def _help_page() -> str:
    from qhub_ext.capture.command import help_page

    return help_page()


# `%%qpu?` and `%qpu?` show the docstring, which is made from the same table as the parser
QpuMagics.qpu.__doc__ = """Submit a cell as a batch job, or ask about jobs.

%%qpu [OPTIONS]      this cell becomes a job on the chosen tier and returns at once
%qpu                 tiers, devices and your latest jobs
%qpu VERB ...        jobs, job, queue, devices, logs, outputs, fetch, wait, cancel, hold, release, requeue, doctor
%qpu use TIER ...    what the cells of this notebook use from now on
"""
