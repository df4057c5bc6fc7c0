"""The daemon is killed between any two of its steps, and the next one carries on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.sites.embedded import site as site_module
from qhub_ext.sites.embedded.attempt_files import make_attempt
from qhub_ext.sites.embedded.processes import boot_id, start_time
from qhub_ext.sites.embedded.submission import table_job
from qhub_ext.sites.embedded.table import STARTED, TableWriter
from tests.sites.workshop import Workshop, embedded_workshop, site_of
from tests.waiting import wait_until

STEPS = range(1, 79)
"""A whole life of the five jobs below has some seventy; the last ones are there to reach beyond its end."""
LEDGER = 'echo "${PWD##*/} $QHUB_ATTEMPT" >> ../ledger; '


def kill_daemon(shop: Workshop) -> None:
    process = wait_until(site_of(shop).daemon.process, what="the daemon")
    process.send(signal.SIGKILL)
    wait_until(lambda: not process.lives(), what="the daemon's end")


@pytest.mark.slow
@pytest.mark.parametrize("group", range(6))
def test_a_daemon_that_dies_at_any_step_loses_nothing_and_runs_nothing_twice(tmp_path: Path, group: int) -> None:
    for step in list(STEPS)[group::6]:
        place = tmp_path / str(step)
        place.mkdir()
        with embedded_workshop(place, cpus=1) as shop:
            reached = _one_life(shop, step)
        assert reached or step > STEPS.stop // 2, "the steps are no longer counted"


def _one_life(shop: Workshop, step: int) -> bool:
    """Whether the daemon came as far as that step."""
    site = site_of(shop)
    good = shop.job(f"{LEDGER} seal completed")
    bad = shop.job(f"{LEDGER} exit 4")
    after = shop.job(f"{LEDGER} seal completed", after=(good.id,))
    never = shop.job(f"{LEDGER} seal completed", after=(bad.id,))
    unwanted = shop.job(f"{LEDGER} seal completed")
    jobs = [good, bad, after, never, unwanted]
    site.spool.prepare()
    site.daemon.start = lambda: None  # type: ignore[method-assign]  # until the crashing one is gone
    site.submit(jobs)
    site.spool.put(site.spool.requests, {"verb": "cancel", "ids": [unwanted.id]})
    crashing = subprocess.Popen(
        [sys.executable, "-m", "tests.sites.crashing_daemon", str(step), str(site.spool.directory), "1"],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(
            lambda: crashing.poll() is not None or all(shop.state(job).final for job in jobs),
            what=f"the crash at step {step}",
        )
        crashed = crashing.poll() is not None
    finally:
        crashing.kill()
        crashing.wait()
    del site.daemon.start  # the class's own again
    site.submit(jobs)  # the client heard no answer, and sends again
    shop.until_final(*jobs)
    states = [shop.state(job) for job in jobs]
    assert states == [State.COMPLETED, State.FAILED, State.COMPLETED, State.CANCELLED, State.CANCELLED], step
    ledger = (good.path.parent / "ledger").read_text().splitlines()
    assert sorted(ledger) == sorted(f"{job.id} 1" for job in (good, bad, after)), step
    return crashed


def test_a_running_job_outlives_the_daemon_and_is_taken_up_again(shop: Workshop) -> None:
    job = shop.submit("while [ ! -e go ]; do sleep 0.05; done; seal completed")
    shop.until_running(job)
    kill_daemon(shop)
    assert shop.reported(job) is State.RUNNING  # and this look starts the next daemon
    wait_until(site_of(shop).daemon.process, what="the next daemon")
    (job.path / "go").touch()
    (record,) = shop.until_final(job)
    assert record.state is State.COMPLETED
    assert record.attempt.number == 1


def test_a_job_whose_wall_time_ends_while_no_daemon_lives_is_stopped_by_the_next(shop: Workshop) -> None:
    job = shop.submit("touch begun; sleep 600", time_s=1)
    wait_until(
        lambda: (job.path / "begun").exists(), what="its begin"
    )  # its end may be near, so it need not be seen running
    kill_daemon(shop)
    until = time.monotonic() + 1.0
    wait_until(lambda: time.monotonic() > until, what="the end of its wall time")
    (record,) = shop.until_final(job)
    assert record.state is State.TIMED_OUT


def test_a_stop_that_was_begun_is_carried_to_its_end_by_the_next_daemon(shop: Workshop) -> None:
    job = shop.submit("trap '' TERM; while :; do sleep 0.1; done", grace_s=1)
    shop.until_running(job)
    shop.site.cancel([job.id])
    wait_until(lambda: "stop" in job.journal("site").read_text(), what="the stop")
    kill_daemon(shop)
    (record,) = shop.until_final(job)
    assert record.state is State.CANCELLED


def test_the_end_of_a_job_starts_a_daemon_that_was_killed_without_any_client(shop: Workshop) -> None:
    first = shop.submit("while [ ! -e go ]; do sleep 0.05; done; seal completed")
    second = shop.submit("seal completed", after=(first.id,))
    shop.until_running(first)
    wait_until(lambda: shop.state(second) is State.QUEUED, what="the second job in the queue")
    kill_daemon(shop)
    (first.path / "go").touch()
    wait_until(lambda: second.attempt(1).outcome.exists(), what="the second job, with nobody asking")
    assert shop.state(second) is State.COMPLETED


def test_a_killed_launcher_does_not_end_its_job(shop: Workshop) -> None:
    job = shop.submit("while [ ! -e go ]; do sleep 0.05; done; seal completed")
    attempt = shop.until_running(job)
    os.kill(json.loads(attempt.launch.read_text())["pid"], signal.SIGKILL)
    (job.path / "go").touch()
    (record,) = shop.until_final(job)
    assert record.state is State.COMPLETED


def test_a_job_without_launcher_is_still_cancelled(shop: Workshop) -> None:
    job = shop.submit("sleep 600")
    attempt = shop.until_running(job)
    os.kill(json.loads(attempt.launch.read_text())["pid"], signal.SIGKILL)
    shop.site.cancel([job.id])
    (record,) = shop.until_final(job)
    assert record.state is State.CANCELLED


def test_when_launcher_and_runner_are_killed_their_leftovers_go_too(shop: Workshop) -> None:
    job = shop.submit("set -m; sleep 63 & echo $! > child; wait")
    attempt = shop.until_running(job)
    child = int(shop.until_written(job.path / "child"))
    launch = json.loads(attempt.launch.read_text())
    os.kill(launch["pid"], signal.SIGKILL)
    os.kill(launch["script"]["pid"], signal.SIGKILL)
    (record,) = shop.until_final(job)
    assert record.state is State.FAILED
    wait_until(lambda: start_time(child) is None, what="the end of the child")


def _started_before(shop: Workshop, **launch: object) -> tuple[object, Path]:
    """A table that says a job runs, as a daemon left it that is gone."""
    site = site_of(shop)
    job = shop.job("seal completed")
    site.spool.prepare()
    entry = table_job(job, shop.record(job).spec)
    entry.state, entry.started_at = STARTED, time.time()
    TableWriter(site.spool.table).add([entry])
    make_attempt(job.attempt(1))
    write_json(job.attempt(1).launch, launch)
    job.attempt(1).console.touch()
    return job, job.path


def test_after_a_reboot_a_running_job_is_failed_and_its_old_pid_is_left_alone(shop: Workshop) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        job, _ = _started_before(
            shop, pid=stranger.pid, start_time=start_time(stranger.pid), session=stranger.pid, boot_id="another boot"
        )
        (record,) = shop.until_final(job)  # type: ignore[arg-type]
        assert record.state is State.FAILED
        assert "restarted" in record.attempt.message
        assert stranger.poll() is None
        stranger.kill()


def test_a_pid_that_belongs_to_somebody_else_by_now_is_not_taken_for_the_job(shop: Workshop) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        job, _ = _started_before(shop, pid=stranger.pid, start_time=1, session=stranger.pid, boot_id=boot_id())
        (record,) = shop.until_final(job)  # type: ignore[arg-type]
        assert record.state is State.FAILED
        assert stranger.poll() is None
        stranger.kill()


def test_a_launcher_that_was_killed_before_its_script_began_costs_an_attempt_and_not_the_job(shop: Workshop) -> None:
    job, path = _started_before(shop, pid=2**22 + 1, start_time=1, session=2**22 + 1, boot_id=boot_id())
    (path / "attempts" / "1" / "console.log").unlink()
    (record,) = shop.until_final(job)  # type: ignore[arg-type]
    assert record.state is State.COMPLETED
    assert [attempt.state for attempt in record.attempts] == [State.CANCELLED, State.COMPLETED]


def test_a_requeue_that_is_read_again_by_the_next_daemon_is_obeyed_once(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = shop.submit("[ $QHUB_ATTEMPT = 1 ] || while [ ! -e go ]; do sleep 0.05; done; seal completed")
    shop.until_final(job)
    spool = site_of(shop).spool
    kill_daemon(shop)
    site_of(shop).daemon.start = lambda: None  # type: ignore[method-assign]  # the letter stays for a moment
    monkeypatch.setattr(site_module, "SETTLE_S", 0.0)
    assert shop.site.requeue([job.id]) == []
    (letter,) = spool.requests.glob("*.json")
    text = letter.read_text()
    assert shop.reported(job) is State.QUEUED  # it is on its way, and whoever waits for the job waits
    del site_of(shop).daemon.start
    wait_until(lambda: shop.reported(job) is State.RUNNING, what="the second attempt")
    wait_until(lambda: not letter.exists(), what="the letter's end")
    for then in (lambda: None, lambda: (job.path / "go").touch(), lambda: shop.until_final(job)):
        then()
        letter.write_text(text)  # as a daemon left it that died when it had obeyed
        spool.ring()
        wait_until(lambda: not letter.exists(), what="the letter's end")
    shop.until_final(job)
    assert job.attempt_numbers() == [1, 2]
