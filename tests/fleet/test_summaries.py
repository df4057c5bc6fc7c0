"""Each attempt leaves a summary at its end, in its folder and at the broker; a broker that is down, or never was, costs a job nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from qhub_ext.capture.command import parse_words
from qhub_ext.capture.options import OPTIONS
from qhub_ext.diagnosis.fleet.written import amend_summary
from qhub_ext.jobfolder.atomic import read_json, write_json
from qhub_ext.jobfolder.outbox import Outbox
from qhub_ext.schemas import load_schema
from qhub_ext.service import Job
from qhub_ext.service.fleet import bring_own
from tests.broker.conftest import Broker
from tests.front.conftest import Place, set_up_place
from tests.qpu.conftest import VirtualQpu, server
from tests.waiting import wait_until

__all__ = ["server"]


@pytest.fixture(scope="module")
def site(server: VirtualQpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Place, Broker]]:
    """A place whose jobs are told to a broker that is not up yet."""
    broker = Broker(tmp_path_factory.mktemp("broker") / "b", server)
    try:
        where = {"QHUB_BROKER_SOCKET": str(broker.socket)}
        with pytest.MonkeyPatch.context() as patch, set_up_place(tmp_path_factory.mktemp("place"), **where) as place:
            patch.setenv(*where.popitem())  # what is captured travels with the jobs
            yield place, broker
    finally:
        broker.stop()


def run(place: Place, cell: str, namespace: dict[str, Any] | None = None, *words: str) -> Job:
    request, _ = parse_words(["--tier=local", *words], None, OPTIONS)
    job = place.service.submit(place.service.draft(request, cell, namespace or {}))
    job.wait(120)
    wait_until(job.folder.attempt(1).summary.exists, what="the summary")
    return job


def test_the_summary_says_why_where_and_for_how_long_and_nothing_of_the_cell(site: tuple[Place, Broker]) -> None:
    place, _ = site
    job = run(place, "secret_value = 17\nopen('/home/alice/secret_file')", {}, "--name=secretly")
    text = job.folder.attempt(1).summary.read_text()
    told = json.loads(text)
    assert list(Draft202012Validator(load_schema("qhub.summary/1")).iter_errors(told)) == []
    assert "secret" not in text
    assert (told["state"], told["cause"], told["tier"], told["site"]) == ("failed", "code", "local", "embedded")
    assert told["signature"] == "FileNotFoundError: No such file or directory: <value>"
    assert told["node"] == os.uname().nodename
    assert set(told["versions"]) == {"python", "qiskit", "qiskit-aer", "qhub-ext"}
    assert sum(told["parts_ns"].values()) == told["wall_ns"] > 0
    assert told["parts_ns"]["classical"] > 0
    assert told["submitted_at"] <= told["running_at"] <= told["ended_at"]


def test_what_ended_while_the_broker_was_down_comes_later_and_once(site: tuple[Place, Broker]) -> None:
    place, broker = site
    outbox = Outbox(place.settings.shelf)
    first = run(place, "1 / 0")
    assert len(outbox) >= 1
    broker.start()
    second = run(place, "x = 1")
    wait_until(lambda: len(outbox) == 0, what="all that waited at the broker")
    told = broker.ask("GET", "/v1/fleet?by=cause")
    assert told["jobs"] == len(place.service.shelf.ids())
    bring_own(place.service)
    assert broker.ask("GET", "/v1/fleet")["jobs"] == told["jobs"]
    assert broker.ask("GET", f"/v1/fleet/jobs/{second.id}")["sentence"] == "It did not fail."
    assert "Too few to say whether it is systemic: 1 such failure of 1 user" in place.command("fleet", first.id)
    assert "others Too few to say" in place.command("explain", first.id)
    listed = place.command("fleet", "--by", "node")
    assert os.uname().nodename in listed
    assert "ZeroDivisionError: division by zero" in listed


def test_an_attempt_whose_runner_was_killed_gets_its_summary_from_who_looks_next(site: tuple[Place, Broker]) -> None:
    place, _ = site
    request, _ = parse_words(["--tier=local"], None, OPTIONS)
    job = place.service.submit(
        place.service.draft(
            request, "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time\ntime.sleep(600)", {}
        )
    )
    job.wait(120)
    assert not job.folder.attempt(1).summary.exists()
    place.command("fleet", code=None)
    told = json.loads(job.folder.attempt(1).summary.read_text())
    assert told["state"] == job.record.state.value
    assert told["signature"]


def test_without_a_broker_the_fleet_is_ones_own_jobs_and_says_so(tmp_path: Path) -> None:
    with set_up_place(tmp_path) as place:
        assert "0 attempts of yours ended" in place.command("fleet")
        run(place, "x = 1")
        assert not Outbox(place.settings.shelf).wanted
        told = json.loads(place.command("fleet", "--json", "--by", "tier"))
        assert (told["alone"], [(g["key"], g["jobs"]) for g in told["groups"]]) == (True, [("local", 1)])


def test_why_it_was_stopped_is_told_again_when_the_site_has_said_so(site: tuple[Place, Broker]) -> None:
    """The runner heard a signal only; the site's own word comes into the journal later."""
    place, _ = site
    request, _ = parse_words(["--tier=local"], None, OPTIONS)
    job = place.service.submit(place.service.draft(request, "x = 1", {}))
    job.wait(120)
    attempt = job.folder.attempt(1)
    wait_until(attempt.summary.exists, what="the summary")
    told = json.loads(attempt.summary.read_text())
    outcome = read_json(attempt.outcome)
    unsure = {"state": "cancelled", "cause": "unknown", "signature": "It was stopped from outside."}
    write_json(attempt.summary, {**told, **unsure, "job": job.id, "attempt": 1, "qos": "gold"})
    write_json(attempt.outcome, {**outcome, "state": "cancelled", "cause": "unknown", "message": "It was stopped."})
    assert amend_summary(job.folder, 1) is None
    write_json(attempt.outcome, {**outcome, "state": "cancelled", "cause": "queue policy", "message": "The operator cancelled it."})  # fmt: skip
    bring_own(place.service)
    again = json.loads(attempt.summary.read_text())
    assert (again["cause"], again["qos"], again["node"]) == ("queue policy", "gold", told["node"])
    assert again["signature"] == "The operator cancelled it."
    assert amend_summary(job.folder, 1) is None
