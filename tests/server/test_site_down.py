"""A site that does not answer: what is known is told with its age, and nothing is guessed. Slurm's commands without a slurmctld."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.journal import append_once
from qhub_ext.service import JobService
from qhub_ext.settings import load_settings
from qhub_ext.sites.slurm.ledger import Place, write_place
from tests.slurm.wrappers import COMMANDS, NO_CONTROLLER, wrappers


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobService:
    commands = wrappers(tmp_path / "commands", **dict.fromkeys(COMMANDS, NO_CONTROLLER))
    variables = {
        "QHUB_SHELF": str(tmp_path / "shelf"),
        "QHUB_SITE": "slurm",
        "QHUB_SLURM_COMMANDS": str(commands),
        "QHUB_SLURM_POLL_S": "0.1",
        "QHUB_SLURM_SETTLE_S": "0.1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return JobService(load_settings(variables, []))


@pytest.fixture
def queued(place: JobService) -> str:
    """A job that Slurm has, as its folder tells."""
    spec = JobSpec(
        id="01kayt4w2-7qm3xd",
        name="waits",
        tier="local",
        device="kingston",
        created_at=time.time(),
        owner="me",
        site="slurm",
    )
    folder = place.shelf.create(spec, "1", lambda inputs: None, {})
    append_once(folder.journal("client"), "state", state=State.SUBMITTED.value, attempt=1)
    write_place(folder, Place("17"))
    return spec.id


async def test_jobs_are_listed_as_they_were_known_with_the_moment_since_when(api, queued):
    listed = await api.get("jobs")
    assert listed.status == 200
    (line,) = listed["jobs"]
    assert line["state"] == "queued"
    assert line["stale_since"] <= time.time()
    status = await api.get("status")
    assert status["site"]["name"] == "slurm"
    assert status["site"]["stale_since"] is not None
    one = await api.get(f"jobs/{queued}")
    assert (one.status, one["state"]) == (200, "queued")
    assert any(label == "as of" for label, _ in one["lines"])


async def test_an_action_is_503_with_the_last_known_state(api, queued):
    answer = await api.post(f"jobs/{queued}/cancel")
    assert answer.status == 503
    assert answer["transient"] is True
    assert answer["audience"] == "site"
    assert "known_at" in answer.body
    assert (answer["job"]["id"], answer["job"]["state"]) == (queued, "queued")
    assert (await api.post("actions", verb="hold", ids=[queued])).status == 503


async def test_a_queue_that_was_never_known_is_503(api):
    answer = await api.get("queue")
    assert answer.status == 503
    assert answer["message"]


async def test_a_submission_whose_answer_is_lost_says_that_it_is_not_sent_twice(api, place):
    answer = await api.post("jobs", headers={"Idempotency-Key": "k"}, source="1")
    assert answer.status == 503
    (job_id,) = place.shelf.ids()
    again = await api.post("jobs", headers={"Idempotency-Key": "k"}, source="1")
    assert (again.status, again["id"]) == (200, job_id)
    assert len(place.shelf.ids()) == 1


async def test_a_command_that_does_not_exist_is_502(api, place, queued, tmp_path):
    for command in (tmp_path / "commands").iterdir():
        command.unlink()
    answer = await api.post(f"jobs/{queued}/cancel")
    assert answer.status == 502
    assert "cannot be started" in answer["message"]
