"""The site's queue: jobs that wait, were stopped, or never came to run."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.service import Job
from tests.diagnosis.corpus.case import Case, waits
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.diagnosis.corpus.place import Place

SLEEP = "import time\nprint('here', flush=True)\ntime.sleep(300)"


def begun(job: Job) -> None:
    wait_until(lambda: "here" in job.logs(), what=f"the start of {job.id}")


def cancel(job: Job, _: Place) -> None:
    begun(job)
    job.cancel()


def cancel_at_once(job: Job, _: Place) -> None:
    job.cancel()


def hold(job: Job, _: Place) -> None:
    job.hold()


def kill_all(job: Job, _: Place) -> None:
    """All processes of its session at once, as a node that goes down would."""
    begun(job)
    launch = read_json(job.folder.attempt(1).launch)
    os.killpg(int(launch["session"]), signal.SIGKILL)


def running(job: Job) -> bool:
    return "here" in job.logs()


CASES = (
    Case("a job that runs", "", SLEEP, where="narrow", until=running),
    Case("no CPU is free", "queue policy", where="narrow", until=waits),
    Case("others are ahead", "queue policy", where="narrow", until=waits, held_out=True),
    Case("held by its owner", "user", where="narrow", act=hold, until=waits),
    Case("waits for another job", "queue policy", where="narrow", options={"after": ("a job that runs",)}, until=waits),
    Case("cancelled while it waited", "user", where="narrow", act=cancel_at_once),
    Case("a dependency that failed", "queue policy", where="wide", options={"after": ("an error that comes late",)}),
    Case("cancelled while it ran", "user", SLEEP, act=cancel),
    Case("all its processes killed", "unknown", SLEEP, act=kill_all, held_out=True),
)  # fmt: skip

LATE = Case("an error that comes late", "code", "import time\ntime.sleep(3)\n1 / 0")
