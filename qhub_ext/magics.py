"""The notebook's front end: `%qpu` and `%%qpu`. Parses, calls the service, shows; nothing is decided here.

Loading it imports nothing heavy: the first `%%qpu` does.
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope

from qhub_ext.capture.command import parse_line, without_comment
from qhub_ext.capture.options import help_page
from qhub_ext.errors import JobFailedError, QhubError, UserError
from qhub_ext.job import context

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from qhub_ext.service import Draft, Job, Jobs, JobService
    from qhub_ext.service.choice import Choice


def register(shell: InteractiveShell) -> None:
    if context.current().job_id is not None:
        from qhub_ext.runner import in_place

        in_place.register(shell)
        return
    context.default_from(_default_context)
    shell.register_magics(QpuMagics(shell))
    # what IPython looks for when `%%qpu` is not on the first line of its cell
    shell.magics_manager.register_function(refuse_second_line, "line", "%qpu")
    kernel = getattr(shell, "kernel", None)
    if hasattr(kernel, "comm_manager"):
        from qhub_ext.choice_comm import connect

        connect(kernel)


def _default_context() -> context.ExecutionContext:
    from qhub_ext.settings import current_settings

    settings = current_settings()
    return context.ExecutionContext(tier="local", device=settings.device, shots=settings.shots, site=settings.site)


@magics_class
class QpuMagics(Magics):
    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self._service: JobService | None = None
        self._notebook: dict[str, Any] = shell.user_ns

    @property
    def service(self) -> JobService:
        from qhub_ext.service import JobService
        from qhub_ext.settings import current_settings

        settings = current_settings()
        if self._service is None or self._service.settings != settings:
            self._service = JobService(settings)
        return self._service

    @property
    def choice(self) -> Choice:
        from qhub_ext.service.choice import current_choice

        return current_choice()

    @needs_local_scope
    @line_cell_magic
    def qpu(self, line: str, cell: str | None = None, local_ns: dict[str, Any] | None = None) -> Any:
        if re.fullmatch(r"\s*(-h|--help|help)\s*", line):
            print(help_text())
            return None
        try:
            if cell is None:
                return self._verb(line)
            return self._submit(line, cell, local_ns)
        except UserError as error:
            raise UsageError(str(error)) from None
        except QhubError as error:
            raise UsageError(f"{error} (cause: {error.cause})") from None

    # -- %%qpu

    def _submit(self, line: str, cell: str, local_ns: dict[str, Any] | None) -> Any:
        from qhub_ext.service import Jobs

        namespace = self._notebook if not local_ns or local_ns is self._notebook else self._notebook | local_ns
        request = parse_line(line, namespace).over(self.choice.told)
        service = self.service  # looked up once: it looks at the settings each time
        if len(request.tiers) == 1 and not request.dry_run:
            jobs = Jobs([service.run(replace(request, tier=request.tiers[0]), cell, namespace, warn=_note)])
        else:
            drafts = [service.draft(replace(request, tier=tier), cell, namespace) for tier in request.tiers]
            for warning in drafts[0].warnings:
                _note(warning)
            if request.dry_run:
                return self._preview(drafts, namespace)
            jobs = Jobs(service.submit(draft) for draft in drafts)
        held: Job | Jobs = jobs if len(request.tiers) > 1 else jobs[0]
        if request.variable:
            self._notebook[request.variable] = held
        if request.wait:
            try:
                self._wait_for(jobs)
            except KeyboardInterrupt:  # at whatever line it came
                print("Waiting was interrupted; the job goes on.", file=sys.stderr)
        return held

    def _preview(self, drafts: list[Draft], namespace: dict[str, Any]) -> Any:
        from qhub_ext.display import Text
        from qhub_ext.preview import preview_text
        from qhub_ext.service.outlook import outlook_of

        along = drafts[0].frozen.manifest.names
        circuits = {n: v for n, v in namespace.items() if n in along and type(v).__name__ == "QuantumCircuit"}
        service = self.service
        return Text("\n\n".join(preview_text(d, service.script(d), outlook_of(service, d, circuits)) for d in drafts))

    def _wait_for(self, jobs: Jobs) -> None:
        """Each in turn, also where one fails: the others may tell why. Raises JobFailedError, the first."""
        brought: dict[str, Job] = {}
        failed: list[JobFailedError] = []
        for job in jobs:
            try:
                self._wait(job, brought)
            except JobFailedError as error:
                failed.append(error)
        for other in failed[1:]:
            print(other, file=sys.stderr)
        if failed:
            raise failed[0]

    def _wait(self, job: Job, brought: dict[str, Job]) -> None:
        """`brought` are the names that the notebook has from other jobs of the same cell, to which this one's are added."""
        from qhub_ext.capture.values import left_behind
        from qhub_ext.display.progress import Progress
        from qhub_ext.job.state import State
        from qhub_ext.service.fetching import Fetched
        from qhub_ext.service.results import failure

        with Progress(job.id) as progress:
            record = job.wait(progress=progress.show)
        job.fresh = False  # its outputs come here, now
        job.show()
        try:
            fetched = job.fetch(self._notebook)
        except QhubError as error:  # the job's own end is told first
            fetched = Fetched([], {"": str(error)})
        if fetched.names:
            print(f"In the notebook now: {', '.join(fetched.names)}.")
        for name, why in fetched.stays.items():
            print(_of_another(name, brought[name], job) if name in brought else why, file=sys.stderr)
        brought |= {name: brought.get(name, job) for name in fetched.names}
        for name, why in job.absent.items():
            print(left_behind(name, why), file=sys.stderr)
        if record.state is not State.COMPLETED:
            raise failure(record)

    # -- %qpu

    def _verb(self, line: str) -> Any:
        import click

        from qhub_ext.verbs import Surface, slip_sentence, verbs

        told = without_comment(line).strip()
        try:
            words = shlex.split(told)
        except ValueError as error:
            raise UsageError(f"{line!r} cannot be read: {error}. Put names with spaces in quotes.") from None
        if words[:1] == ["use"]:
            return self._use(told.removeprefix("use"))
        surface = Surface(
            self.service,
            namespace=self._notebook,
            write=lambda text: print(text, end="", flush=True),
            chosen=lambda: self.choice.told,
        )
        try:
            view = verbs.main(words, prog_name="%qpu", standalone_mode=False, obj=surface)
            return None if isinstance(view, int) else view  # an exit code is nothing to show
        except click.ClickException as error:
            raise UsageError(slip_sentence(error)) from None
        except click.Abort:
            raise KeyboardInterrupt from None

    def _use(self, line: str) -> Any:
        from qhub_ext.display import Text

        words = line.strip()
        if words and not words.startswith("-"):  # `use emulation` says the tier without its option
            words = f"--tier {words}"
        self.choice.take(parse_line(words, self._notebook))
        return Text(self.choice.sentence())


def refuse_second_line(line: str) -> None:  # noqa: ARG001 - IPython's
    raise UsageError(
        "%%qpu has to be the first line of its cell, before comments too: this cell was not submitted. "
        "Put what stands above it into a cell of its own, or below it."
    )


def _of_another(name: str, first: Job, job: Job) -> str:
    from qhub_ext.job.identity import short_id

    return (
        f"`{name}` in the notebook is that of job {short_id(first.id)}, on {first.record.spec.tier}; "
        f"`%qpu fetch {short_id(job.id)} {name}=other` brings this one's under another name."
    )


def _note(warning: str) -> None:
    print(f"Note: {warning}", file=sys.stderr)


def help_text() -> str:
    return HELP + help_page("Options of %%qpu, also of `%qpu use` where they make sense for a whole notebook")


HELP = """Submit a cell as a batch job, or ask about jobs.

%%qpu [OPTIONS]      this cell becomes a job on the chosen tier and returns at once; its value is the Job
%qpu                 the chosen tier and device, the queue, your latest jobs
%qpu VERB ...        jobs, job, queue, explain, trace, fleet, estimate, devices, calibration, resources, usage, broker, logs,
                     outputs, fetch, compare, wait, cancel, hold, release, requeue, rerun, verify, diff, check, export, import,
                     prune, archives, demo, site, doctor; `%qpu VERB --help` explains one
%qpu use TIER ...    what the cells of this notebook use from now on

Names of the notebook that the cell uses go along with it. What it makes comes back when you ask:
`job.result()["x"]`, `job["x"]`, or `%qpu fetch JOB x`. `%%qpu --dry-run` shows what would be sent.

    %%qpu --tier emulation --shots 4000 --as job
    from qhub_ext import Sampler, backend
    isa = generate_preset_pass_manager(3, backend=backend()).run(circuit)
    counts = Sampler().run([isa]).result()[0].data.meas.get_counts()

"""

# what `%%qpu?` and `%qpu?` show
QpuMagics.qpu.__doc__ = help_text()
