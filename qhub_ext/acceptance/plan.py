"""The checks of a site as a table: what is sent, and how what came is judged. Which of them a site has follows from its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qhub_ext.capture.request import Request
from qhub_ext.capture.sweep import Sweep
from qhub_ext.errors import Cause
from qhub_ext.job.state import State
from qhub_ext.service.edges import DEAD, on_a_failing_device
from qhub_ext.service.profiles import USUAL

if TYPE_CHECKING:
    from qhub_ext.service.job import Job
    from qhub_ext.settings import Settings

SHOTS = 200
TIME_S = 300
CLOCKS_S = 1.0
BELL = """\
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend

circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
circuit.measure_all()
isa = transpile(circuit, backend(), optimization_level=1, seed_transpiler=1)
counts = Sampler().run([isa]).result()[0].data.meas.get_counts()
"""
SLEEP = "import time\ntime.sleep(600)"
WITH_DEAD_EDGES = "kingston"

Judge = Callable[["Job", Mapping[str, "Job"]], tuple[bool, str]]
"""Of a job that has ended, and all others of this check by name: whether it is as expected, and what came."""


@dataclass(frozen=True)
class Check:
    """`after` is the name of the check whose job it waits for. `cancels` it while it runs. `unsent`: it must be refused before anything is
    sent. `may_be_refused`: a refusal is the site's policy. `own_qpu`: it brings a virtual QPU along, past whatever the tier qpu leads to."""

    name: str
    group: str
    title: str
    expected: str
    cell: str
    judge: Judge
    options: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""
    cancels: bool = False
    unsent: bool = False
    may_be_refused: bool = False
    own_qpu: bool = False

    @property
    def request(self) -> Request:
        return Request(**{"tier": "local", "name": f"site check: {self.name}", **self.options})


def plan(settings: Settings) -> list[Check]:
    bounds = (tier.time_max_s for tier in settings.slurm.tiers.values())
    time_s = min(TIME_S, settings.limits.time_max_s, *(bound for bound in bounds if bound is not None))
    ordinary = {"time_s": time_s}
    return [
        _bell("local", "tier", "local", 1.0, ordinary),
        _bell("emulation", "tier", "emulation", 0.6, ordinary),
        _bell("qpu", "tier", "qpu", 0.6, ordinary),
        *(_profile(name, settings, ordinary) for name in profiles(settings)),
        Check(
            "array", "queue", "an array of three", "completed; y is 1, 4, 9", "y = x * x", _values("y", [1, 4, 9]),
            {**ordinary, "sweeps": (Sweep("x", (1, 2, 3)),)},
        ),
        Check(
            "after", "queue", "a job after another", "completed, and begun after the other's end", "z = 1", _begun_after("array"),
            ordinary, after="array",
        ),
        Check(
            "error", "fault", "an error in the cell", "failed, cause code, ZeroDivisionError", "1 / 0",
            _ended(State.FAILED, Cause.CODE, "ZeroDivisionError"), ordinary,
        ),
        Check(
            "time-limit", "fault", "a time limit", "timed out, cause resources", SLEEP, _ended(State.TIMED_OUT, Cause.RESOURCES),
            {"time_s": 2},
        ),
        Check(
            "cancel", "fault", "a cancel while it runs", "cancelled, cause user", SLEEP, _ended(State.CANCELLED, Cause.USER),
            ordinary, cancels=True,
        ),
        Check(
            "too-many-shots", "fault", "more shots than the device takes", "refused before anything is sent", BELL, _ended(State.FAILED),
            {**ordinary, "shots": 10**9}, unsent=True,
        ),
        Check(
            "dead-gate", "fault", "a gate that is switched off", "its results are called doubtful, cause calibration", DEAD,
            _doubtful(Cause.CALIBRATION), {**ordinary, "tier": "emulation", "device": WITH_DEAD_EDGES},
        ),
        Check(
            "failing-device", "fault", "a task that the device fails (virtual QPU)", "failed, cause device", on_a_failing_device("failed_job"),
            _ended(State.FAILED, Cause.DEVICE), {**ordinary, "tier": "qpu"}, own_qpu=True,
        ),
    ]  # fmt: skip


def profiles(settings: Settings) -> list[str]:
    """Those of every site, then those of this one's settings."""
    of_tiers = (name for tier in settings.slurm.tiers.values() for name in tier.qos)
    return list(dict.fromkeys((*USUAL, settings.profile, *settings.profiles, *settings.broker.profiles, *of_tiers)))


def _bell(name: str, group: str, tier: str, share: float, ordinary: Mapping[str, Any]) -> Check:
    expected = f"completed; {SHOTS} shots, {'all' if share == 1 else f'at least {share:.0%}'} of them 00 or 11"
    options = {**ordinary, "tier": tier, "shots": SHOTS}
    return Check(name, group, f"a Bell pair on the tier {tier}", expected, BELL, _counts(share), options)


def _profile(name: str, settings: Settings, ordinary: Mapping[str, Any]) -> Check:
    tier = settings.slurm.tiers.get("local") if settings.site_of("local") == "slurm" else None
    qos = tier.qos.get(name, "") if tier is not None else ""
    cell = 'import os\nqos = os.environ.get("SLURM_JOB_QOS", "")'
    return Check(
        f"profile-{name}", "profile", f"a job of the profile {name}", f"completed{f'; QOS {qos}' if qos else ''}", cell, _qos(qos),
        {**ordinary, "profile": name}, may_be_refused=True,
    )  # fmt: skip


# -- judges


def how_it_ended(job: Job) -> str:
    record = job.record
    cause = f", cause {record.attempt.cause}" if record.attempt.cause else ""
    said = f": {record.attempt.message}" if record.attempt.message else ""
    return f"{record.state.value.replace('_', ' ')}{cause}{said}"


def _ended(state: State, cause: Cause | None = None, said: str = "") -> Judge:
    def judge(job: Job, _: Mapping[str, Job]) -> tuple[bool, str]:
        record = job.record
        right = record.state is state and (cause is None or record.attempt.cause == cause.value)
        return right and said in record.attempt.message, how_it_ended(job)

    return judge


def _completed(then: Judge) -> Judge:
    def judge(job: Job, jobs: Mapping[str, Job]) -> tuple[bool, str]:
        if job.record.state is not State.COMPLETED:
            return False, how_it_ended(job)
        good, came = then(job, jobs)
        return good, f"completed; {came}" if came else "completed"

    return judge


def _counts(share: float) -> Judge:
    def judge(job: Job, _: Mapping[str, Job]) -> tuple[bool, str]:
        counts: dict[str, int] = job["counts"]
        total, alike = sum(counts.values()), counts.get("00", 0) + counts.get("11", 0)
        right = total == SHOTS and alike >= share * total
        return right, f"{total} shots, {alike / max(total, 1):.0%} of them 00 or 11 on {job.record.spec.device}"

    return _completed(judge)


def _doubtful(cause: Cause) -> Judge:
    def judge(job: Job, _: Mapping[str, Job]) -> tuple[bool, str]:
        why = job.explain()
        return why.cause == cause.value, f"cause {why.cause or 'none'}: {why.sentence}"

    return _completed(judge)


def _values(name: str, wanted: list[Any]) -> Judge:
    return _completed(lambda job, _: (job[name] == wanted, f"{name} is {', '.join(map(str, job[name]))}"))


def _qos(wanted: str) -> Judge:
    def judge(job: Job, _: Mapping[str, Job]) -> tuple[bool, str]:
        got = str(job["qos"])
        return wanted in ("", got), f"QOS {got}" if got else ""

    return _completed(judge)


def _begun_after(name: str) -> Judge:
    def judge(job: Job, jobs: Mapping[str, Job]) -> tuple[bool, str]:
        first = jobs[name].elements
        ended = max((element.record.attempt.ended_at or 0.0 for element in first), default=0.0)
        began = job.record.attempt.running_at or 0.0
        # two nodes, two clocks: `qhub doctor` looks at how far apart they are
        return began > ended - CLOCKS_S and ended > 0, f"begun {began - ended:.1f} s after the other's end"

    return _completed(judge)
