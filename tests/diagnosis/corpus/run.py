"""Runs the cases side by side and notes what was said of each."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from qhub_ext.errors import QhubError
from tests.diagnosis.corpus import brokers, devices, doubts, queue, surroundings, user_code
from tests.diagnosis.corpus.case import Case, at_the_broker, at_the_device
from tests.diagnosis.corpus.place import Place, place_at, until
from tests.diagnosis.matrix import Heard, heard

WITHIN_S = 600.0
# those that take long begin first
CASES: tuple[Case, ...] = (
    *devices.LONG, queue.LATE, *queue.CASES, *surroundings.CASES, *devices.CASES, *brokers.CASES, *doubts.CASES, *user_code.CASES,
)  # fmt: skip


def run(root: Path, cases: Sequence[Case] = CASES, tell: Callable[[str], None] = lambda _: None) -> list[Heard]:
    with place_at(root) as place, small_disk(root / "disk") as disk:
        place.disk = disk
        chosen = [case for case in cases if "$DISK" not in case.cell or disk is not None]
        jobs = []
        for case in chosen:
            jobs.append((case, place.submit(case)))
            tell(f"submitted: {case.name}")
        begun = time.monotonic()
        said = []
        for case, job in jobs:
            if case.meanwhile is not None:
                case.meanwhile(job, place)
            came = until(
                lambda case=case, job=job: case.until(job), max(1.0, WITHIN_S - (time.monotonic() - begun)), case.name
            )  # type: ignore[misc]
            said.append(_look(case, place, came))
            if case.until in (at_the_broker, at_the_device):  # it would wait there, and hold its CPU, for ever
                job.cancel()
            tell(f"{time.monotonic() - begun:5.1f} s looked at: {case.name}: {said[-1].told or 'nothing'}")
        return said


def _look(case: Case, place: Place, came: bool) -> Heard:
    job = place.jobs[case.name]
    if not came:
        return Heard(case.name, case.cause, "unknown", "it never came", "", f"{job.state}: {job.logs()[-300:]}", 0)
    os.environ["QHUB_CONFIG"] = str(job.service.settings.shelf / "none.toml")
    try:
        return heard(case.name, case.cause, job.explain())
    except QhubError as error:
        return Heard(case.name, case.cause, "unknown", type(error).__name__, "", str(error), 0)
    finally:
        del os.environ["QHUB_CONFIG"]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path | None]:
    """A file system of 1 MiB; None where nothing can be mounted."""
    folder.mkdir(parents=True)
    mount = shutil.which("mount")
    made = (
        mount
        and subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m", "qhub-test", str(folder)], capture_output=True, check=False
        ).returncode
        == 0
    )
    try:
        yield folder if made else None
    finally:
        if made:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
