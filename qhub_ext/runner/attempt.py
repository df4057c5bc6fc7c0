"""One attempt from claim to seal."""

from __future__ import annotations

import contextlib
import select
import time
import traceback
from typing import Any

from qhub_ext.errors import Cause, JobFolderError, QhubError
from qhub_ext.job.notebook import Notebook
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.device_tasks import used_seconds
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outcome import Outcome, read_spec, require_own, seal
from qhub_ext.runner.allocation import claim, give_back, open_attempt, set_aside
from qhub_ext.runner.doubt import with_doubt
from qhub_ext.runner.export import Export
from qhub_ext.runner.kernel import JobKernel
from qhub_ext.runner.recording import out_of_room, seal_notebook
from qhub_ext.runner.report import report
from qhub_ext.runner.sighting import Sighting
from qhub_ext.runner.stopping import Signals
from qhub_ext.runner.supervisor import Supervisor
from qhub_ext.runner.verdict import Verdict, judge
from qhub_ext.telemetry.console import about, note, say
from qhub_ext.telemetry.context import context_of_job
from qhub_ext.telemetry.recorder import Recorder

RESERVE = 256 * 1024


def run_attempt(folder: JobFolder, number: int, kernel: JobKernel, signals: Signals, began: float) -> int:
    """Returns the exit code of the runner: 0 when the cell completed, 1 when it did not."""
    with contextlib.closing(kernel):
        spec, attempt = _open(folder, number)
        running_at = time.time()
        note("attempt begun")
        try:
            export = Export(folder, began)
            code = _run(folder, attempt, spec, kernel, signals, began, running_at, export)
            report(folder, number)
            export.end()
            return code
        except Exception as error:  # noqa: BLE001 - the edge of the process: whatever it was, the job must not stay without a verdict
            said = traceback.format_exc()
            say(said.rstrip(), "error", prefix="")
            verdict = Verdict(
                State.FAILED,
                Cause.INTEGRATION,
                f"The runner itself failed: {type(error).__name__}: {error}".rstrip(".") + ".",
                "This is ours to mend: the report is among the `notes` in outcome.json of the job's attempt.",
            )
            give_back(attempt)
            seal(attempt, _outcome(verdict, running_at, notes=(said,)))
            report(folder, number)
            return 1


def refuse_attempt(folder: JobFolder, number: int, error: QhubError) -> int:
    """Seals that this attempt cannot be begun here. Returns the exit code."""
    _, attempt = _open(folder, number)
    say(str(error), "error")
    seal(attempt, _outcome(Verdict(State.FAILED, error.cause, error.message, error.advice), time.time()))
    report(folder, number)
    return 1


def _open(folder: JobFolder, number: int) -> tuple[JobSpec, AttemptFolder]:
    """For this process alone, until it ends. Raises JobFolderError."""
    spec = read_spec(folder)
    about(job=spec.id, attempt=number, trace_id=context_of_job(spec.id, spec.traceparent).trace_id)
    require_own(folder)
    attempt = open_attempt(folder, number)
    if attempt.outcome.exists():
        raise JobFolderError(f"Attempt {number} of job {spec.id} has an outcome already; it is not run again.")
    claim(attempt)
    return spec, attempt


def _run(
    folder: JobFolder,
    attempt: AttemptFolder,
    spec: JobSpec,
    kernel: JobKernel,
    signals: Signals,
    began: float,
    running_at: float,
    export: Export,
) -> int:
    full = out_of_room(lambda: set_aside(attempt, RESERVE))
    if full is not None:
        give_back(attempt)
        verdict = Verdict(
            State.FAILED,
            Cause.RESOURCES,
            f"The job was not begun: the disk of the job folder has no room ({full.strerror}).",
            "Make room on that file system (or in your quota) and run the job again.",
        )
        seal(attempt, _outcome(verdict, running_at))
        return 1
    root = context_of_job(spec.id, spec.traceparent).below("attempt", attempt.number)
    spans = Recorder(attempt.spans / "runner.jsonl", root, "qhub-runner", qhub__job__id=spec.id, qhub__job__attempt=attempt.number)  # fmt: skip
    with JournalWriter(folder.journal(f"runner-{attempt.number}")) as journal, contextlib.closing(spans):
        supervisor = Supervisor(folder, attempt, spec, kernel, signals, journal, began, spans, export)
        supervisor.run()
        sealing = time.monotonic()
        full = out_of_room(
            lambda: seal_notebook(
                attempt,
                supervisor.cells.notebook,
                supervisor.cells.counts,
                _metadata(supervisor.cells.notebook, spec, attempt),
                supervisor.outputs.widgets.to_json(),
            )
        )
        seen = supervisor.seen
        seen.disk_full |= full is not None
        if seen.disk_full:
            supervisor.notes.append(
                "The disk of the job folder was full"
                + (f"; {seen.lost_bytes} bytes of output could not be written." if seen.lost_bytes else ".")
            )
        verdict = judge(spec, seen)
        supervisor.timings.lap("seal_s", sealing)
        supervisor.timings.lap("total_s", began)
        outcome = _outcome(
            verdict,
            running_at,
            error=_error(seen) if verdict.state is not State.COMPLETED else None,
            variables=supervisor.variables,
            notes=tuple(supervisor.notes),
            timings_s=supervisor.timings.parts,
            tasks=_count_tasks(attempt),
            qpu_s=used_seconds(folder, attempt.number),
        )
        outcome = with_doubt(folder, spec, attempt.number, outcome)
        supervisor.timings.return_ends()
        give_back(attempt)
        seal(attempt, outcome)
    note("attempt ended", state=outcome.state, cause=outcome.cause)
    return 0 if verdict.state is State.COMPLETED else 1


def _metadata(notebook: Notebook, spec: JobSpec, attempt: AttemptFolder) -> dict[str, Any]:
    """What the notebook says of itself, and which job made this copy."""
    said = notebook.get("metadata") or {}
    chosen = said.get("qhub") if isinstance(said.get("qhub"), dict) else {}
    return {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        **said,
        "qhub": {**(chosen or {}), "job": spec.id, "attempt": attempt.number},
    }


def wait_until_imported(kernel: JobKernel, imports: list[str], folders: object) -> bool:
    """For a warm kernel, which looks for them in `folders` too; False when it died on the way."""
    kernel.order({"imports": imports, "folders": folders})
    while kernel.returncode is None:
        select.select([kernel.status_fd], [], [], 0.5)
        lines = kernel.read_status()
        kernel.unread(lines)
        for line in lines:
            if line.get("kind") == "imported":
                for failure in line["failed"]:
                    say(f"warm kernel: {failure}", prefix="")
                return True
    return False


def _outcome(verdict: Verdict, running_at: float, **fields: object) -> Outcome:
    return Outcome(
        state=verdict.state.value,
        running_at=running_at,
        ended_at=time.time(),
        cause=None if verdict.cause is None else verdict.cause.value,
        message=verdict.message,
        advice=verdict.advice,
        **fields,  # type: ignore[arg-type]
    )


def _error(seen: Sighting) -> dict[str, Any] | None:
    """What the traceback says, and the facts that no reader can take from its text."""
    reply = seen.reply or {}
    error = seen.error
    if error is None and reply.get("status") == "error":  # where no file can be opened, no traceback is drawn
        error = {name: reply.get(name, "") for name in ("ename", "evalue", "traceback")}
    if error is None:
        return None
    return {**error, "facts": {**seen.ended, **({} if seen.cells is None else {"cell": seen.number})}}


def _count_tasks(attempt: AttemptFolder) -> int:
    try:
        return sum(1 for path in attempt.tasks.iterdir() if path.suffix == ".json" and path.stem.isdigit())
    except FileNotFoundError:
        return 0
