"""`qhub site check` with real jobs on the embedded site; tests/slurm/test_site_check.py has that of a real Slurm."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from qhub_ext.acceptance import carry_out
from qhub_ext.acceptance.carry_out import check_site
from qhub_ext.acceptance.report import FAILED, PASSED, UNFINISHED
from qhub_ext.capture.request import Request
from qhub_ext.errors import UserError
from qhub_ext.job.state import State
from qhub_ext.schemas import load_schema
from qhub_ext.verbs.surface import EXIT_INTERRUPTED
from tests.front.conftest import Place, place, set_up_place  # noqa: F401 - the fixture
from tests.waiting import wait_until


@pytest.mark.slow
def test_the_embedded_site_passes_and_leaves_a_report_of_it(place: Place, tmp_path: Path) -> None:  # noqa: F811
    page, data = tmp_path / "report.html", tmp_path / "report.json"
    told = place.command("site", "check", "--html", str(page), "--json", str(data), "--skip", "profile-test", code=None)
    found = json.loads(data.read_bytes())
    Draft202012Validator(load_schema("qhub.site-check/1")).validate(found)
    by_name: dict[str, Any] = {check["name"]: check for check in found["checks"]}
    assert [name for name, check in by_name.items() if check["verdict"] == FAILED] == [], told
    assert by_name["profile-test"]["came"] == "left out by --skip"
    assert found["passed"]
    assert hashlib.sha256(data.read_bytes()).hexdigest() in page.read_text()
    assert "ZeroDivisionError" in by_name["error"]["came"]
    assert "switched off" in by_name["dead-gate"]["came"]
    assert by_name["too-many-shots"]["job"] == ""
    jobs = {job.id: job for job in place.service.jobs()}
    assert {check["job"] for check in found["checks"] if check["job"]} <= jobs.keys()
    assert all(job.final for job in jobs.values())


def test_a_job_that_does_not_end_in_time_is_cancelled_and_fails_the_site(place: Place) -> None:  # noqa: F811
    others = [check.name for check in carry_out.plan(place.settings) if check.name != "cancel"]
    report = check_site(place.service, skip=("doctor", *others), within_s=0.0)
    assert not report.passed
    (late,) = [result for result in report.results if result.job]
    assert (late.name, late.verdict) == ("cancel", FAILED)
    assert late.came.startswith("not ended after 0 s")
    assert place.service.job(late.job).wait(120).state is State.CANCELLED


def test_a_device_that_fails_is_tried_past_a_broker_of_ones_own(tmp_path: Path) -> None:
    broker = tmp_path / "broker"
    with set_up_place(tmp_path, QHUB_BROKER_ON_DEMAND="true", QHUB_BROKER_DIRECTORY=str(broker)) as own:
        others = [check.name for check in carry_out.plan(own.settings) if check.name != "failing-device"]
        skipped = [word for name in ("doctor", *others) for word in ("--skip", name)]
        told = own.command("site", "check", *skipped)
        assert "✓ passed: a task that the device fails" in told
        assert not broker.exists()


def test_an_interrupted_check_cancels_its_jobs_and_reports_what_was_found(place: Place, tmp_path: Path) -> None:  # noqa: F811
    page, data = tmp_path / "report.html", tmp_path / "report.json"
    wanted = {"cancel", "too-many-shots", "failing-device"}
    others = [check.name for check in carry_out.plan(place.settings) if check.name not in wanted]
    skipped = [word for name in ("doctor", *others) for word in ("--skip", name)]
    words = ["site", "check", "--html", str(page), "--json", str(data), *skipped]
    # while it takes all CPUs, none of the check's jobs can begin
    first = place.service.run(Request(tier="local", cpus=2), place.until_told("checked"))
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "qhub_ext.cli", *words], env=place.environment, cwd=place.path,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        told = []
        while "more shots" not in (line := process.stderr.readline()) and line:  # by then the job to cancel was sent
            told.append(line)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=120)
        assert process.returncode == EXIT_INTERRUPTED, [*told, rest]
        found = json.loads(data.read_bytes())
        Draft202012Validator(load_schema("qhub.site-check/1")).validate(found)
        assert (found["interrupted"], found["passed"]) == (True, False)
        came = {check["name"]: (check["verdict"], check["came"]) for check in found["checks"]}
        assert came["too-many-shots"][0] == PASSED
        assert came["cancel"] == (UNFINISHED, "interrupted, and its job cancelled")
        assert came["failing-device"][0] == UNFINISHED
        assert came["failing-device"][1].startswith("interrupted")
        assert "was interrupted" in page.read_text()
        sent = [job for job in place.service.jobs() if job.name.startswith("site check")]
        assert {check["job"] for check in found["checks"] if check["job"]} <= {job.id for job in sent}
        wait_until(lambda: all(place.service.job(job.id).record.state.final for job in sent), what="their end")
    finally:
        place.tell("checked")
        first.wait(120)


def test_a_check_that_nobody_knows_is_a_slip(place: Place) -> None:  # noqa: F811
    with pytest.raises(UserError, match="There is no check 'qpus'"):
        check_site(place.service, skip=("qpus",))
    assert "no folder" in place.command("site", "check", "--html", "nowhere/report.html", code=2)
