"""Kernels kept ready: used when they fit, and never in the way when anything is off."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.sites.embedded.processes import start_time
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.sites.embedded.starters import CONFIRM_WITHIN_S
from tests.sites.workshop import Workshop, embedded_workshop
from tests.waiting import wait_until

# A Python whose `-m qhub_ext.runner` is a few lines: it seals at once. What it does when warm is written into its folder.
STAND_IN = """#!/bin/bash
if [ "$3" = --warm ]; then
  echo "$$" >> "{root}/warm"
  {when_warm}
  printf 'ready\\n'
  read -r order || exit 0
  {when_ordered}
  folder=$({python} -S -c 'import json,sys; print(json.loads(sys.argv[1])["folder"])' "$order")
  attempt=$({python} -S -c 'import json,sys; print(json.loads(sys.argv[1])["attempt"])' "$order")
else
  folder=$3; attempt=$QHUB_ATTEMPT
fi
cd "$folder"; echo "$$" >> ran; echo "to the console"
printf '{{"schema":"qhub.outcome/1","state":"completed","running_at":1.0,"ended_at":2.0}}' > o
ln o "attempts/$attempt/outcome.json"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    with embedded_workshop(tmp_path, warm_kernels=1, warm_imports=("json",)) as workshop:
        yield workshop


def stand_in(shop: Workshop, *, when_warm: str = "", when_ordered: str = "") -> str:
    root = Path(shop.settings.shelf).parent
    path = root / "python"
    text = STAND_IN.format(root=root, python=sys.executable, when_warm=when_warm, when_ordered=when_ordered)
    path.write_text(text)
    path.chmod(0o700)
    return str(path)


def send(shop: Workshop, python: str, **spec: Any) -> JobFolder:
    job = shop.cell("", **{"python": python, **spec})
    shop.site.submit([job])
    shop.until_final(job)
    return job


def was_warm(job: JobFolder) -> bool:
    return json.loads(job.latest_attempt().launch.read_text())["how"] == "warm"  # type: ignore[union-attr]


def warm_pids(shop: Workshop) -> list[int]:
    path = Path(shop.settings.shelf).parent / "warm"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def until_warm(shop: Workshop, count: int = 1) -> int:
    """The latest kernel, once the daemon knows that it is ready."""
    wait_until(lambda: _ready(shop) >= count, what="a warm kernel")
    return warm_pids(shop)[-1]


def _ready(shop: Workshop) -> int:
    site = shop.site
    assert isinstance(site, EmbeddedSite)
    return site.spool.log.read_text().count("a warm kernel is ready") if site.spool.log.exists() else 0


def test_the_second_job_of_an_environment_starts_warm_and_the_first_cold(shop: Workshop) -> None:
    python = stand_in(shop)
    first = send(shop, python)
    pid = until_warm(shop)
    second = send(shop, python)
    assert (was_warm(first), was_warm(second)) == (False, True)
    assert (second.path / "ran").read_text().split() == [str(pid)]
    assert second.attempt(1).console.read_text() == "to the console\n"
    assert json.loads(second.attempt(1).exit.read_text())["returncode"] == 0


@pytest.mark.parametrize("other", [{"cold": True}, {"environment_digest": "f"}, {"memory_mb": 64}, {"cpus": 2}])
def test_a_job_that_does_not_fit_the_kernel_starts_cold(shop: Workshop, other: dict[str, Any]) -> None:
    python = stand_in(shop)
    send(shop, python)
    until_warm(shop)
    job = shop.job("", python=python, **{"environment_digest": "e", **other})
    job.script.write_text(shop.site.render_script(job))
    shop.site.submit([job])
    shop.until_final(job)
    assert not was_warm(job)


def test_a_script_that_was_changed_is_run_as_it_is(shop: Workshop) -> None:
    python = stand_in(shop)
    send(shop, python)
    until_warm(shop)
    job = shop.submit("echo mine; seal completed", python=python, environment_digest="e")
    shop.until_final(job)
    assert not was_warm(job)
    assert job.attempt(1).console.read_text() == "mine\n"


def test_a_kernel_that_was_killed_is_not_missed(shop: Workshop) -> None:
    python = stand_in(shop)
    send(shop, python)
    os.kill(until_warm(shop), signal.SIGKILL)
    job = send(shop, python)
    assert shop.state(job) is State.COMPLETED
    assert len((job.path / "ran").read_text().split()) == 1


def test_a_job_that_is_handed_to_a_kernel_that_has_just_died_starts_cold(shop: Workshop) -> None:
    python = stand_in(shop)
    send(shop, python)
    runner = until_warm(shop)
    launcher = os.getsid(runner)
    os.kill(launcher, signal.SIGSTOP)  # it has not heard of the end when the order comes
    os.kill(runner, signal.SIGKILL)
    job = shop.cell("", python=python)
    shop.site.submit([job])
    wait_until(lambda: shop.reported(job) is not State.QUEUED, what="the order")
    os.kill(launcher, signal.SIGCONT)
    (record,) = shop.until_final(job)
    assert [attempt.state for attempt in record.attempts] == [State.COMPLETED]
    assert len((job.path / "ran").read_text().split()) == 1


def test_a_kernel_that_dies_before_it_has_read_its_job_costs_an_attempt_and_not_the_job(shop: Workshop) -> None:
    python = stand_in(shop)
    send(shop, python)
    runner = until_warm(shop)
    os.kill(runner, signal.SIGSTOP)
    job = shop.cell("", python=python)
    shop.site.submit([job])
    wait_until(lambda: job.attempt(1).console.exists(), what="the order")
    os.kill(runner, signal.SIGKILL)
    (record,) = shop.until_final(job)
    assert [attempt.state for attempt in record.attempts] == [State.CANCELLED, State.COMPLETED]
    assert len((job.path / "ran").read_text().split()) == 1


def test_kernels_that_never_get_ready_are_given_up_and_jobs_start_cold(shop: Workshop) -> None:
    python = stand_in(shop, when_warm="exit 1")
    send(shop, python)
    wait_until(lambda: warm_pids(shop), what="a kernel that fails")
    job = send(shop, python)
    assert not was_warm(job)
    assert shop.state(job) is State.COMPLETED


def test_a_runner_that_dies_of_its_order_fails_that_attempt_with_its_exit_code(shop: Workshop) -> None:
    python = stand_in(shop, when_ordered="echo 'no order for me' >&2; exit 5")
    send(shop, python)
    until_warm(shop)
    job = send(shop, python)
    record = shop.record(job)
    assert record.state is State.FAILED
    assert "exit code 5" in record.attempt.message
    assert "no order for me" in record.attempt.message


def test_a_launcher_that_does_not_answer_is_replaced_by_a_cold_start(shop: Workshop) -> None:
    python = stand_in(shop)
    send(shop, python)
    runner = until_warm(shop)
    os.kill(os.getsid(runner), signal.SIGSTOP)
    job = shop.cell("", python=python)
    shop.site.submit([job])
    (record,) = shop.until_final(job, within_s=CONFIRM_WITHIN_S + 60)
    assert record.state is State.COMPLETED
    assert not was_warm(job)
    assert len((job.path / "ran").read_text().split()) == 1


def test_a_warm_job_is_stopped_like_any_other(shop: Workshop) -> None:
    python = stand_in(shop, when_ordered="while :; do sleep 0.05; done")
    send(shop, python)
    until_warm(shop)
    job = shop.cell("", python=python)
    shop.site.submit([job])
    wait_until(lambda: job.attempt(1).launch.exists(), what="the start")
    shop.site.cancel([job.id])
    (record,) = shop.until_final(job)
    assert record.state is State.CANCELLED


def test_a_warm_kernel_goes_with_its_daemon_however_that_ends(shop: Workshop) -> None:
    send(shop, stand_in(shop))
    runner = until_warm(shop)
    site = shop.site
    assert isinstance(site, EmbeddedSite)
    daemon = site.daemon.process()
    assert daemon is not None
    daemon.send(signal.SIGKILL)
    wait_until(lambda: start_time(runner) is None, what="the end of the warm kernel")


def test_a_warm_kernel_does_not_keep_an_idle_daemon(tmp_path: Path) -> None:
    with embedded_workshop(tmp_path, warm_kernels=1, idle_exit_s=0.1) as shop:
        busy = shop.submit(
            "while [ ! -e go ]; do sleep 0.05; done; seal completed"
        )  # it stays until the kernel is ready
        send(shop, stand_in(shop))
        runner = until_warm(shop)
        (busy.path / "go").touch()
        site = shop.site
        assert isinstance(site, EmbeddedSite)
        wait_until(lambda: site.daemon.process() is None, what="the daemon's leaving")
        wait_until(lambda: start_time(runner) is None, what="the end of the warm kernel")


@pytest.mark.slow
def test_the_real_runner_is_warm_for_the_second_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # also without an installation
    with embedded_workshop(tmp_path, warm_kernels=1, warm_imports=("json",)) as shop:
        for warm in (False, True):
            job = shop.cell("print(6 * 7)")
            shop.site.submit([job])
            (record,) = shop.until_final(job)
            assert record.state is State.COMPLETED, record.attempt.message
            assert "42" in job.attempt(1).outputs.read_text()
            assert was_warm(job) is warm
            wait_until(lambda: _ready(shop) >= 1, what="a warm kernel")
