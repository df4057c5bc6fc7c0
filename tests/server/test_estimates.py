"""When a job may start: told along with its state where that costs the site nothing, and asked for where it does."""

from __future__ import annotations

import time

from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.server.conftest import until

SLEEP = "import time; time.sleep(300)"


async def test_the_listing_tells_when_each_job_starts_at_the_latest(api, submit):
    submit(SLEEP, cpus=2, time_s=600, tier="local")
    first, second = (submit("1", cpus=2, time_s=60, tier="local") for _ in range(2))

    async def told():
        lines = {line["id"]: line["starts_by"] for line in (await api.get("jobs"))["jobs"]}
        return lines if lines[first.id] and lines[second.id] else None

    lines = await until(told, what="the moments by which they start")
    assert 60 <= lines[second.id] - lines[first.id] <= 120  # its minute, and the seconds in which it may be stopped
    assert time.time() + 500 < lines[first.id] < time.time() + 700
    assert [label for label, _ in (await api.get(f"jobs/{first.id}"))["lines"] if label == "starts"] == ["starts"]


async def test_many_who_ask_for_an_estimate_cost_the_site_one_question(api, submit, monkeypatch):
    asked = []
    estimate = EmbeddedSite.estimate
    monkeypatch.setattr(EmbeddedSite, "estimate", lambda self, i: asked.append(i) or estimate(self, i))
    submit(SLEEP, cpus=2, time_s=600, tier="local")
    job = submit("1", cpus=2, tier="local")
    before = time.time()
    answers = [(await api.get(f"jobs/{job.id}/estimate")).body for _ in range(5)]
    assert asked == [job.id]
    assert answers[0] == answers[-1]
    assert answers[0]["earliest"] <= answers[0]["as_of"] < answers[0]["latest"]
    assert before <= answers[0]["as_of"] <= time.time()
    assert "ahead" in answers[0]["why"]


async def test_an_array_is_estimated_by_its_first_element_that_waits(api, submit):
    from qhub_ext.capture.sweep import Sweep

    submit(SLEEP, cpus=2, time_s=600, tier="local")
    job = submit("1", tier="local", sweeps=(Sweep("x", (0.0, 1.0)),))
    answer = (await api.get(f"jobs/{job.id}/estimate")).body
    assert answer["latest"] > answer["as_of"]


async def test_of_a_job_that_there_is_not_nothing_is_estimated(api):
    assert (await api.get("jobs/01kayt4w2-7qm3xd/estimate")).status == 404
