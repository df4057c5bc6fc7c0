"""Listing ten thousand finished jobs: the first time, again in the same process, and from a fresh `qhub jobs`."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from qhub_ext.job.identity import new_job_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from tests.benchmarks.bench_prompt import place_of_its_own
from tests.benchmarks.line import Line, quantity, seconds, take_turns

WANTED_S = 0.1


def finished_job(shelf: Path, number: int, now: float) -> Path:
    """A folder as the service, the site and the runner leave it, in the files that a listing reads."""
    job_id = new_job_id(now - number)
    at = now - number
    path = shelf / job_id
    attempt = path / "attempts" / "1"
    attempt.mkdir(parents=True)
    (path / "journal").mkdir()
    spec = JobSpec(
        id=job_id, name=f"job {number}", tier="emulation", device="kingston", created_at=at, owner="me", shots=1024
    )
    (path / "spec.json").write_text(json.dumps(spec.to_json()))
    events = [
        ("client-1", State.CREATED),
        ("client-1", State.SUBMITTED),
        ("site", State.QUEUED),
        ("site", State.STARTING),
    ]
    for writer, states in {"client-1": events[:2], "site": events[2:], "runner-1": [("", State.RUNNING)]}.items():
        told = [
            json.dumps({"seq": n, "at": at + n, "kind": "state", "state": state.value, "attempt": 1})
            for n, (_, state) in enumerate(states, start=1)
        ]
        (path / "journal" / f"{writer}.jsonl").write_text("\n".join(told) + "\n")
    outcome = {"schema": "qhub.outcome/1", "state": "completed", "running_at": at + 2, "ended_at": at + 9}
    (attempt / "outcome.json").write_text(json.dumps(outcome))
    return path


def command(*words: str) -> float:
    return seconds(
        lambda: subprocess.run([sys.executable, "-m", "qhub_ext.cli", *words], check=True, capture_output=True)
    )


def lines(quick: bool) -> list[Line]:
    from qhub_ext.jobfolder.shelf import Shelf
    from qhub_ext.service import JobService

    count, rounds = (500, 3) if quick else (10_000, 15)
    with place_of_its_own():
        settings = JobService().settings
        now = time.time()
        settings.shelf.mkdir(parents=True)
        for number in range(count):
            finished_job(settings.shelf, number, now)
        first = seconds(Shelf(settings.shelf, settings.cache).summaries)
        found: list[int] = []
        used = time.process_time()
        fresh = statistics.median(
            seconds(lambda: found.append(len(Shelf(settings.shelf, settings.cache).summaries()))) for _ in range(rounds)
        )
        used = (time.process_time() - used) / rounds
        shelf, service = Shelf(settings.shelf, settings.cache), JobService(settings)
        shelf.summaries(), service.jobs()
        again, jobs, page = take_turns(
            lambda: seconds(shelf.summaries),
            lambda: seconds(service.jobs),
            lambda: seconds(lambda: service.jobs(limit=20)),
            rounds=rounds,
        )
        listed, floor = take_turns(lambda: command("jobs"), lambda: command("--version"), rounds=max(3, rounds // 2))
        os.environ.pop("QHUB_SHELF")  # nothing to sweep up there
        assert set(found) == {count}
    what = f"{count:,} finished jobs"
    return [
        Line(f"{what}, first read of the folders", first),
        Line(f"{what}, again, another process's shelf", fresh, at_most=WANTED_S, note=f"from the index on disk; {quantity(used, 's')} of a CPU"),
        Line(f"{what}, again, `Shelf.summaries()`", again, at_most=WANTED_S),
        Line(f"{what}, again, `JobService.jobs()`", jobs, at_most=WANTED_S),
        Line("the latest 20 of them, `JobService.jobs(limit=20)`", page, at_most=WANTED_S),
        Line("`qhub jobs`, a fresh process", listed, "`qhub --version`", floor, note=what),
    ]  # fmt: skip
