"""Carries the checks out: sends what is independent at once, watches over it, and judges each job at its end. Nothing is left running."""

from __future__ import annotations

import getpass
import platform
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import qhub_ext
from qhub_ext.acceptance.plan import Check, how_it_ended, plan
from qhub_ext.acceptance.report import FAILED, NOT_ALLOWED, PASSED, SIGNS, UNFINISHED, Report, Result
from qhub_ext.errors import JobFailedError, PreflightError, QhubError, SiteError, SiteUnreachableError, UserError
from qhub_ext.service.faults import virtual_only, with_environment
from qhub_ext.service.job import Job
from qhub_ext.service.jobs import JobService
from qhub_ext.sites.scheduler import Finding

PAUSE_S = 0.2
DOCTOR = ("doctor", "site", "qhub doctor", "no failure")
TOGETHER = ("qhub-ext", "qiskit", "qiskit-aer", "qiskit-ibm-runtime", "qrmi", "ipykernel")
Tell = Callable[[str], None]


@dataclass
class _Sent:
    check: Check
    job: Job
    at: float
    cancelled: bool = False


def check_site(
    service: JobService, *, skip: Sequence[str] = (), within_s: float = 1800.0, tell: Tell = lambda _: None
) -> Report:
    """Raises UserError for a name in `skip` that no check has. After an interrupt the report has what was found until then, and what was
    sent is cancelled.
    """
    checks = plan(service.settings)
    known = ["doctor", *(check.name for check in checks)]
    wrong = [name for name in skip if name not in known]
    if wrong:
        raise UserError(f"There is no check {wrong[0]!r}.", advice=f"There are: {', '.join(known)}.")
    began_at = time.time()
    findings: list[Finding] = []
    doctor = _left_out(*DOCTOR)
    errand = _Errand(service, within_s, tell)
    interrupted = False
    try:
        if "doctor" not in skip:
            doctor = replace(doctor, came="interrupted", verdict=UNFINISHED)
            tell("The way of a job is looked at (qhub doctor) ...")
            findings = service.doctor()
            doctor = _doctor(findings, time.time() - began_at)
            _told(doctor, tell)
        errand.run(checks, skip)
    except KeyboardInterrupt:
        interrupted = True
        tell("Interrupted: what was sent is cancelled ...")
    finally:
        errand.end()
    results = (doctor, *(errand.result_of(check) for check in checks))
    told = tuple({"level": f.level, "what": f.what, "advice": f.advice} for f in findings)
    return Report(
        service.settings.site, socket.gethostname(), getpass.getuser(), began_at, time.time(), _versions(), results, told,
        interrupted=interrupted,
    )  # fmt: skip


class _Errand:
    def __init__(self, service: JobService, within_s: float, tell: Tell) -> None:
        self._service = service
        self._within_s = within_s
        self._tell = tell
        self._done: dict[str, Result] = {}
        self._sent: dict[str, _Sent] = {}
        self._ids: dict[str, str] = {}
        """Of what was sent, or was about to be when an interrupt came."""

    def run(self, checks: Sequence[Check], skip: Sequence[str]) -> None:
        for check in checks:
            if check.name in skip:
                self._end(_left_out(check.name, check.group, check.title, check.expected))
        for check in checks:
            if check.name not in self._done:
                self._begin(check)
        self._watch()

    def end(self) -> None:
        """Cancels what has not ended."""
        for name, job_id in self._ids.items():
            if name not in self._done and (name in self._sent or self._service.shelf.folder(job_id).path.exists()):
                self._cancel(job_id)

    def result_of(self, check: Check) -> Result:
        """What has none yet was interrupted."""
        if check.name in self._done:
            return self._done[check.name]
        if check.name not in self._sent:
            return _result(check, "interrupted before it was sent", UNFINISHED, 0.0)
        sent = self._sent[check.name]
        return _result(check, "interrupted, and its job cancelled", UNFINISHED, time.monotonic() - sent.at, sent.job)

    def _begin(self, check: Check) -> None:
        began = time.monotonic()
        try:
            if check.unsent:
                self._draft_only(check, began)
                return
            job = self._with_a_qpu_of_its_own(check) if check.own_qpu else self._send(check)
        except _NotAllowed as error:
            self._end(_result(check, str(error), NOT_ALLOWED, time.monotonic() - began))
        except QhubError as error:
            refused = isinstance(error, SiteError) and not isinstance(error, SiteUnreachableError)
            closed = isinstance(error, PreflightError) and check.options.get("tier") == "qpu"
            verdict = NOT_ALLOWED if closed or (refused and check.may_be_refused) else FAILED
            self._end(_result(check, error.message, verdict, time.monotonic() - began, advice=error.advice))
        else:
            self._sent[check.name] = _Sent(check, job, time.monotonic())
            self._tell(f"sent: {check.title}")

    def _send(self, check: Check) -> Job:
        after: tuple[str, ...] = ()
        if check.after:
            if check.after not in self._sent:
                raise _NotAllowed(f"It comes after {check.after!r}, which was not sent.")
            after = (self._sent[check.after].job.id,)
        draft = self._service.draft(replace(check.request, after=after), check.cell, {})
        self._ids[check.name] = draft.spec.id
        return self._service.submit(draft)

    def _draft_only(self, check: Check, began: float) -> None:
        try:
            self._service.draft(check.request, check.cell, {})
        except PreflightError as error:
            self._end(_result(check, f"refused: {error.message}", PASSED, time.monotonic() - began))
        else:
            why = "The device names no bound, so nothing was tried."
            self._end(_result(check, why, NOT_ALLOWED, time.monotonic() - began))

    def _with_a_qpu_of_its_own(self, check: Check) -> Job:
        """The job starts it on the node that it runs on, and asks nobody else."""
        own = self._service.settings
        settings = own.model_copy(
            update={
                "qpu": own.qpu.model_copy(update={"virtual": "always"}),
                "broker": own.broker.model_copy(update={"socket": None, "url": "", "on_demand": False}),
            }
        )
        service = JobService(settings)
        draft = service.draft(replace(check.request, device=virtual_only(settings)), check.cell, {})
        self._ids[check.name] = draft.spec.id
        given = {
            "QHUB_BROKER_SOCKET": "",
            "QHUB_BROKER_URL": "",
            "QHUB_BROKER_ON_DEMAND": "false",
            "QHUB_QPU_VIRTUAL": "always",
            "QHUB_QPU_VIRTUAL_DIRECTORY": f"/tmp/qhub-site-check-{secrets.token_hex(6)}",  # noqa: S108 - on the node, made with mode 0700
            "QHUB_QPU_VIRTUAL_SPEED": "1000",
            "QHUB_QPU_PATIENCE_S": "1",
        }
        return service.submit(with_environment(draft, given))

    def _cancel(self, job_id: str) -> None:
        """A site that does not answer spoils no report."""
        try:
            self._service.apply("cancel", [job_id])
        except QhubError as error:
            self._tell(f"Job {job_id} was not cancelled: {error.message}")

    def _open(self) -> list[_Sent]:
        return [sent for name, sent in self._sent.items() if name not in self._done]

    def _watch(self) -> None:
        deadline = time.monotonic() + self._within_s
        while waiting := self._open():
            for sent in waiting:
                self._look(sent, late=time.monotonic() > deadline)
            time.sleep(PAUSE_S)

    def _look(self, sent: _Sent, late: bool) -> None:
        record = sent.job.record
        if sent.check.cancels and record.state.value == "running" and not sent.cancelled:
            sent.cancelled = True
            self._cancel(sent.job.id)
        if not record.state.final:
            if late:
                why = record.attempt.reason or record.attempt.phase_text
                came = f"not ended after {self._within_s:.0f} s: {how_it_ended(sent.job)}{f', {why}' if why else ''}"
                self._cancel(sent.job.id)
                self._end(_result(sent.check, came, FAILED, time.monotonic() - sent.at, sent.job))
            return
        ended = record.attempt.ended_at
        took = ended - record.spec.created_at if ended else time.monotonic() - sent.at
        try:
            right, came = sent.check.judge(sent.job, {name: one.job for name, one in self._sent.items()})
        except (QhubError, JobFailedError) as error:
            right, came = False, f"{how_it_ended(sent.job)}; {error.message}"
        advice = "" if right else record.attempt.advice
        self._end(_result(sent.check, came, PASSED if right else FAILED, took, sent.job, advice))

    def _end(self, result: Result) -> None:
        self._done[result.name] = result
        _told(result, self._tell)


class _NotAllowed(Exception):
    """In a sentence why a check has no place here."""


def _result(check: Check, came: str, verdict: str, took_s: float, job: Job | None = None, advice: str = "") -> Result:
    site_id = (job.record.site_id or "") if job is not None else ""
    if job is not None and job.size:
        site_id = ", ".join(element.record.site_id or "" for element in job.elements)
    return Result(
        check.name, check.group, check.title, check.expected, came, verdict, round(took_s, 2), job.id if job else "", site_id, advice
    )  # fmt: skip


def _left_out(name: str, group: str, title: str, expected: str) -> Result:
    return Result(name, group, title, expected, "left out by --skip", NOT_ALLOWED, 0.0)


def _doctor(findings: Sequence[Finding], took_s: float) -> Result:
    bad = [finding for finding in findings if finding.level == "failure"]
    warnings = sum(finding.level == "warning" for finding in findings)
    came = bad[0].what if bad else f"{len(findings)} findings, {warnings} of them warnings, none a failure"
    verdict = FAILED if bad else PASSED
    return Result(*DOCTOR, came, verdict, took_s, advice=bad[0].advice if bad else "")


def _told(result: Result, tell: Tell) -> None:
    tell(f"{SIGNS[result.verdict]}: {result.title}: {result.came}")


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in TOGETHER:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return {"qhub-ext": qhub_ext.__version__, **found}
