"""What a real Slurm does to jobs: waiting for a reason, refused, stopped from outside, or on a node that is not well.

`TOGETHER` disturb nobody; those of `ROUNDS` take a part of the cluster down. The causes were written down before any of these had run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qhub_ext.capture.sweep import Sweep
from qhub_ext.job.state import State
from qhub_ext.job.unexplained import is_unexplained
from qhub_ext.service import Job
from qhub_ext.service.draft import Draft
from tests.diagnosis.corpus import limits
from tests.diagnosis.corpus.case import NOTHING, Case, waits_for
from tests.small_disk import fill, small_disk
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.diagnosis.corpus.cluster_place import ClusterPlace


def ended(job: Job) -> bool:
    """The site says so too."""
    return job.service.record(job.id).state.final


SLEEP = "import time\nprint('here', flush=True)\ntime.sleep(300)"


def case(name: str, cause: str, cell: str = "x = 1", **more: Any) -> Case:
    """Options of the site by name beside those of the line."""
    options = {k: more.pop(k) for k in ("time_s", "cpus", "memory_mb", "after", "partition", "sweeps") if k in more}
    known = {"shape", "prepare", "act", "meanwhile", "until", "rules", "held_out", "values"}
    site = {k.replace("_", "-"): str(more.pop(k)) for k in [*more] if k not in known}
    return Case(name, cause, cell, {**options, "site_options": site}, **{"until": ended, **more})


# ------------------------------------------------------------------ what stands in the way


def all_of(partition: str) -> Any:
    def prepare(place: ClusterPlace) -> None:
        place.hold(f"--partition={partition}", "--exclusive", "--mem=0")

    return prepare


def licences_taken(place: ClusterPlace) -> None:
    place.hold("--licenses=aer_gpu:1")


def reserve(name: str, *words: str) -> Any:
    def prepare(place: ClusterPlace) -> None:
        said = place.cluster.run("scontrol", "create", "reservation", f"reservationname={name}", "users=root", *words)
        assert "created" in said.stdout, said.stdout

    return prepare


def closed(partition: str, state: str) -> Any:
    def prepare(place: ClusterPlace) -> None:
        place.ask("scontrol", "update", f"partition={partition}", f"state={state}")

    return prepare


def drained(place: ClusterPlace) -> None:
    place.ask("scontrol", "update", "nodename=one01", "state=drain", "reason=fan")


def no_prologue(place: ClusterPlace) -> None:
    place.cluster.configuration.fail_prolog.touch()


def no_room(place: ClusterPlace) -> None:
    """The node cannot write the script down that it was sent."""
    fill(place.in_place.enter_context(small_disk(place.cluster.root / "spool" / "two01", 64)))


# ------------------------------------------------------------------ what is done to a job


def begun(job: Job, place: ClusterPlace) -> None:
    wait_until(lambda: "here" in job.logs(), what=f"the start of {job.id}")


def by_operator(*words: str, first: Any = None) -> Any:
    def act(job: Job, place: ClusterPlace) -> None:
        if first is not None:
            first(job, place)
        said = place.cluster.run(*words, place.number(job), user="qhub-operator")
        assert said.returncode == 0, said.stdout

    return act


def stronger(job: Job, place: ClusterPlace) -> None:
    begun(job, place)
    place.hold("--partition=wide", "--qos=production", "--exclusive", "--mem=0", runs=False)


def power_cut(job: Job, place: ClusterPlace) -> None:
    begun(job, place)
    place.cluster.fail_node("two01")


def down(job: Job, place: ClusterPlace) -> None:
    begun(job, place)
    place.ask("scontrol", "update", "nodename=two01", "state=down", "reason=fan")


def time_is_up(job: Job, place: ClusterPlace) -> None:
    begun(job, place)
    place.ask("scontrol", "update", f"jobid={place.number(job)}", "endtime=now+10")


def folder_away(job: Job, place: ClusterPlace) -> None:
    """The node looks for it in vain; whoever submitted sees it again."""
    number, away = place.number(job), job.folder.path.with_name("away")
    job.folder.path.rename(away)
    place.ask("scontrol", "update", f"jobid={number}", "starttime=now")
    wait_until(lambda: place.ask("squeue", "-h", "-t", "all", "-j", number, "-o", "%T").strip() == "FAILED", what="its end")  # fmt: skip
    away.rename(job.folder.path)


def controller_away(job: Job, place: ClusterPlace) -> None:
    place.cluster.stop("slurmctld")
    place.service.site("slurm")._poller.expire([place.number(job)])  # type: ignore[attr-defined]


def second_attempt(job: Job) -> bool:
    """It waits again, and the site has said what became of the first one."""
    record = job.service.record(job.id)
    first = record.attempts[0]
    return record.attempt.number == 2 and record.state.waiting and first.state.final and not is_unexplained(first)


def runs(job: Job) -> bool:
    return "here" in job.logs()


def suspended(job: Job) -> bool:
    return job.service.site("slurm").poll([job.id])[job.id].word == "SUSPENDED"


def held(job: Job) -> bool:
    found = job.service.site("slurm").poll([job.id]).get(job.id)
    return found is not None and found.state is State.HELD


def silent(job: Job) -> bool:
    return job.service.record(job.id).stale_since is not None


def without_python(draft: Draft) -> Draft:
    return replace(draft, spec=replace(draft.spec, python="/no/such/python"))


LATER = ("starttime=now+3600", "duration=60", "flags=ignore_jobs")
NOW = ("starttime=now", "duration=60", "flags=maint,ignore_jobs")
SOON = ("starttime=now+900", "duration=60", "flags=maint,ignore_jobs")

WAITING = (
    case("no node is free", "queue policy", partition="narrow", prepare=all_of("narrow"), until=waits_for("Resources")),
    case("others have a higher priority", "queue policy", partition="narrow", until=waits_for("Priority")),
    case("a job that goes on", NOTHING, SLEEP, until=runs),
    case("after one that goes on", "queue policy", after=("a job that goes on",), until=waits_for("Dependency")),
    case("a licence that others hold", "queue policy", licenses="aer_gpu:1", prepare=licences_taken, until=waits_for("Licenses")),
    case("an earliest start", "user", begin="now+600", until=waits_for("BeginTime")),
    case("held by its owner on Slurm", "user", begin="now+600", act=lambda job, _: job.hold(), until=waits_for("JobHeldUser")),
    case("held by the operator", "queue policy", begin="now+600", act=by_operator("scontrol", "hold"), until=waits_for("JobHeldAdmin"), held_out=True),
    case("a reservation that begins later", "queue policy", reservation="tomorrow", prepare=reserve("tomorrow", "nodes=emu02", *LATER), until=waits_for("Reservation"), held_out=True),
    case("a node in maintenance", "queue policy", partition="wide", prepare=reserve("now", "nodes=two01", *NOW), until=waits_for("ReqNodeNotAvail", "Nodes required"), held_out=True),
    case("a maintenance that it would run into", "queue policy", partition="qpu", time_s=1500, prepare=reserve("soon", "nodes=qpu01", *SOON), until=waits_for("ReqNodeNotAvail", "Nodes required"), held_out=True),
    case("more time than the partition has", "queue policy", time_s=7200, until=waits_for("PartitionTimeLimit")),
    case("elements that wait for each other", "user", SLEEP, sweeps=(Sweep("x", (1, 2)),), array_running=1, until=lambda job: "elements" in str(job.explain()) and "JobArrayTaskLimit" in str(job.explain().to_json()), held_out=True),
)  # fmt: skip
REFUSED = (
    case("a partition that does not exist", "code", partition="emulaton", held_out=True),
    case("a QOS that is closed or unknown", "queue policy", qos="platinum", held_out=True),
    case("an account that is closed or unknown", "queue policy", account="geology", held_out=True),
    case("a licence that the site does not have", "code", licenses="matlab:1", held_out=True),
    case("a reservation that does not exist", "queue policy", reservation="yesterday", held_out=True),
    case("more CPUs than any node has", "queue policy", cpus=64, until=waits_for("PartitionConfig"), held_out=True),
    case("more memory than any node has", "queue policy", memory_mb=400_000, held_out=True),
    case("a feature that no node has", "queue policy", constraint="fridge", held_out=True),
)
ENDS = (
    case("an error on a node", "code", "1 / 0"),
    case("nothing wrong on a node", NOTHING),
    case("a Python that the node does not have", "environment", shape=without_python, held_out=True),
    case("after one that failed", "queue policy", after=("an error on a node",), held_out=True),
    case("cancelled by the operator", "queue policy", SLEEP, act=by_operator("scancel", first=begun)),
    case("cancelled by its owner", "user", SLEEP, act=lambda job, place: (begun(job, place), job.cancel())),
    case("cancelled by its owner in a shell", "user", SLEEP, act=lambda job, place: (begun(job, place), place.ask("scancel", place.number(job))), held_out=True),
    case("suspended by the operator", "queue policy", SLEEP, partition="qpu", act=by_operator("scontrol", "suspend", first=begun), until=suspended, held_out=True),
    case("put back and held by the operator", "queue policy", SLEEP, partition="qpu", act=by_operator("scontrol", "requeuehold", first=begun), until=second_attempt, held_out=True),
    case("a time limit that the operator shortens", "queue policy", SLEEP, partition="qpu", time_s=5, act=time_is_up),
    case("less memory than Python needs", "resources", SLEEP, partition="qpu", memory_mb=8, held_out=True),
    case("more memory than it was given, on Slurm", "resources", "hoard = []\nwhile True:\n    hoard.append(bytearray(10_000_000))", memory_mb=400, held_out=True),
)  # fmt: skip
TOGETHER = (*ENDS, *WAITING, *REFUSED, *limits.CASES)
"""Those that take longest begin first."""

ROUNDS = (
    (
        case("a node whose power goes", "integration", SLEEP, partition="wide", requeue="no", act=power_cut, held_out=True),
        case("a prologue that fails", "integration", prepare=no_prologue, until=waits_for("launch", "JobHeld")),
        case("a prologue that fails, and it may not wait for another", "integration", requeue="no"),
    ),
    (
        case("preempted and cancelled", "queue policy", SLEEP, partition="wide", cpus=2, qos="test", act=stronger),
        case("a node that is drained", "integration", partition="narrow", prepare=drained, until=waits_for("ReqNodeNotAvail", "Resources", "Nodes required")),
        case("a folder that the node does not see", "integration", begin="now+600", act=folder_away),
    ),
    (case("preempted and queued again", "queue policy", SLEEP, partition="wide", cpus=2, qos="development", act=stronger, until=second_attempt, held_out=True),),
    (case("a node that goes down under it", "integration", SLEEP, partition="wide", requeue="no", act=down),),
    (case("a node that goes down, and it waits for it", "integration", SLEEP, partition="wide", act=down, until=second_attempt, held_out=True),),
    (
        case("a partition that is closed", "queue policy", partition="wide", prepare=closed("wide", "down"), until=waits_for("PartitionDown"), held_out=True),
        case("a partition that is inactive", "queue policy", partition="narrow", prepare=closed("narrow", "inactive"), until=waits_for("PartitionInactive"), held_out=True),
    ),
    (case("a node that cannot take it in", "integration", partition="wide", requeue="no", prepare=no_room),),
    (case("a node that cannot take it in, and it waits", "integration", partition="wide", prepare=no_room, until=held),),
    (case("a controller that is away", "integration", begin="now+600", act=controller_away, until=silent, held_out=True),),
)  # fmt: skip
"""Those of one round take different parts of the cluster down."""
