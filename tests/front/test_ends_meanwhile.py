"""A job that ends while it is asked why it waits."""

from __future__ import annotations

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.service import Job
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.sites.scheduler import Reason
from tests.front.conftest import Place


def test_its_end_is_told_and_not_that_its_site_has_no_reason_any_more(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = place.service
    ahead = service.submit(service.draft(Request(tier="local"), place.until_told("go on"), {}))
    job = service.submit(service.draft(Request(tier="local", after=(ahead.id,)), "1", {}))
    asked = EmbeddedSite.explain_reason

    def ends_first(site: EmbeddedSite, job_id: str) -> Reason:
        if not service.shelf.record(job.id).state.final:
            job.cancel()
            Job(job.id, place.service).wait(60)
        return asked(site, job_id)

    try:
        assert job.state == "queued"
        monkeypatch.setattr(EmbeddedSite, "explain_reason", ends_first)
        told = job.explain()
        assert (told.cause, "cancelled" in told.sentence) == ("user", True), told
    finally:
        place.tell("go on")
        ahead.wait(60)
