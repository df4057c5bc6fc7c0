"""The report of a site check: what it counts as passed, its JSON, its checksum, and its page."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from qhub_ext.acceptance.page import report_page
from qhub_ext.acceptance.plan import plan, profiles
from qhub_ext.acceptance.report import FAILED, NOT_ALLOWED, PASSED, Report, Result
from qhub_ext.schemas import load_schema
from qhub_ext.settings import Settings, SlurmSettings, SlurmTierSettings

GOOD = Result("local", "tier", "a Bell pair", "completed", "completed; 200 shots", PASSED, 1.25, "1m8ggp-1yn245", "17")
BAD = replace(GOOD, name="qpu", verdict=FAILED, came="failed, cause device: gone", advice="Ask the site.")
ABSENT = replace(GOOD, name="cancel", group="fault", verdict=NOT_ALLOWED, job="", site_id="")


def report(*results: Result) -> Report:
    found = ({"level": "ok", "what": "slurm-wlm 22.05.8 is installed here.", "advice": ""},)
    return Report("slurm", "login1", "ada", 1_780_000_000.0, 1_780_000_060.0, {"qhub-ext": "0.1.0"}, results, found)


@pytest.mark.parametrize(
    ("results", "passed"),
    [((GOOD,), True), ((GOOD, ABSENT), True), ((GOOD, BAD), False), ((ABSENT,), False), ((), False)],
)
def test_it_passed_where_nothing_failed_and_something_was_tried(results: tuple[Result, ...], passed: bool) -> None:
    assert report(*results).passed is passed
    assert ("did not pass" in report(*results).sentence) is not passed


def test_the_json_fits_its_schema_and_its_checksum_is_that_of_the_file() -> None:
    made = report(GOOD, BAD, ABSENT)
    Draft202012Validator(load_schema("qhub.site-check/1")).validate(json.loads(made.to_bytes()))
    assert made.checksum == hashlib.sha256(made.to_bytes()).hexdigest() == report(GOOD, BAD, ABSENT).checksum
    assert made.checksum != report(GOOD, replace(BAD, verdict=PASSED), ABSENT).checksum


def test_the_page_has_what_an_operator_signs() -> None:
    made = report(GOOD, BAD, ABSENT)
    page = report_page(made)
    for part in (
        "slurm",
        "login1",
        "ada",
        "2026-05-28T20:26:40Z",
        "qhub-ext 0.1.0",
        made.checksum,
        "Signature",
        "Date",
    ):
        assert part in page
    for part in ("1m8ggp-1yn245", "at the site 17", "✓ passed", "✗ failed", "– not allowed here", "Ask the site."):
        assert part in page
    assert "://" not in page, "it needs no network"


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_nothing_that_a_job_says_becomes_markup(said: str) -> None:
    page = report_page(report(replace(GOOD, came=f"<script>{said}</script>", site_id=f"<b>{said}")))
    assert "<script" not in page
    assert "<b>" not in page


def test_a_site_is_asked_for_every_tier_and_every_profile_that_its_settings_name() -> None:
    tier = SlurmTierSettings(qos={"production": "high", "beamtime": "beam"})
    settings = Settings(site="slurm", slurm=SlurmSettings(tiers={"local": tier}))
    checks = {check.name: check for check in plan(settings)}
    assert {"local", "emulation", "qpu"} <= checks.keys()
    assert profiles(settings) == ["development", "test", "production", "beamtime"]
    assert checks["profile-beamtime"].expected == "completed; QOS beam"
    assert checks["profile-test"].expected == "completed"
