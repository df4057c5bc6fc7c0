"""`qhub site check` with real jobs on the embedded site; tests/slurm/test_site_check.py has that of a real Slurm."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from qhub_ext import site_verbs
from qhub_ext.acceptance import carry_out
from qhub_ext.acceptance.carry_out import check_site
from qhub_ext.acceptance.report import FAILED, PASSED, UNFINISHED
from qhub_ext.errors import UserError
from qhub_ext.job.state import State
from qhub_ext.schemas import load_schema
from qhub_ext.verbs import EXIT_INTERRUPTED, Surface, verbs
from tests.front.conftest import Place, place, set_up_place  # noqa: F401 - the fixture


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
    assert place.service.job(late.job).wait(60).state is State.CANCELLED


def test_a_device_that_fails_is_tried_past_a_broker_of_ones_own(tmp_path: Path) -> None:
    broker = tmp_path / "broker"
    with set_up_place(tmp_path, QHUB_BROKER_ON_DEMAND="true", QHUB_BROKER_DIRECTORY=str(broker)) as place:
        others = [check.name for check in carry_out.plan(place.settings) if check.name != "failing-device"]
        skipped = [word for name in ("doctor", *others) for word in ("--skip", name)]
        told = place.command("site", "check", *skipped)
        assert "✓ passed: a task that the device fails" in told
        assert not broker.exists()


def test_an_interrupted_check_cancels_its_jobs_and_reports_what_was_found(
    place: Place,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def told(text: str, **_: object) -> None:
        if "more shots" in text:  # by then the job to cancel was sent, and nobody has looked after it
            raise KeyboardInterrupt

    monkeypatch.setattr(site_verbs.click, "echo", told)
    page, data = tmp_path / "report.html", tmp_path / "report.json"
    wanted = {"cancel", "too-many-shots", "failing-device"}
    others = [check.name for check in carry_out.plan(place.settings) if check.name not in wanted]
    skipped = [word for name in ("doctor", *others) for word in ("--skip", name)]
    surface = Surface(place.service)
    verbs.main(
        ["site", "check", "--html", str(page), "--json", str(data), *skipped], standalone_mode=False, obj=surface
    )
    assert surface.exit_code == EXIT_INTERRUPTED
    found = json.loads(data.read_bytes())
    Draft202012Validator(load_schema("qhub.site-check/1")).validate(found)
    assert (found["interrupted"], found["passed"]) == (True, False)
    came = {check["name"]: (check["verdict"], check["came"]) for check in found["checks"]}
    assert came["too-many-shots"][0] == PASSED
    assert came["cancel"] == (UNFINISHED, "interrupted, and its job cancelled")
    assert came["failing-device"] == (UNFINISHED, "interrupted before it was sent")
    assert "was interrupted" in page.read_text()
    (job,) = (check["job"] for check in found["checks"] if check["job"])
    assert place.service.job(job).wait(60).state is State.CANCELLED


def test_a_check_that_nobody_knows_is_a_slip(place: Place) -> None:  # noqa: F811
    with pytest.raises(UserError, match="There is no check 'qpus'"):
        check_site(place.service, skip=("qpus",))
    assert "no folder" in place.command("site", "check", "--html", "nowhere/report.html", code=2)
