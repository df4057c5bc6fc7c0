"""What a person does with `Job` objects of Python, in notebooks and in other jobs."""

from __future__ import annotations

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import UnreadableJobError
from tests.front.conftest import Place
from tests.waiting import remove_tree


def test_a_wait_after_a_requeue_waits_for_the_new_attempt(place: Place) -> None:
    service = place.service
    job = service.submit(service.draft(Request(name="once more"), f"open({str(place.path / 'there')!r})\nseen = True"))
    assert job.wait(60).state == "failed"
    (place.path / "there").touch()
    job.requeue()
    record = job.wait(60)
    assert (record.state, record.attempt.number, job["seen"]) == ("completed", 2, True)


def test_a_variable_that_is_asked_for_with_a_dot_is_told_to_stand_in_brackets(place: Place) -> None:
    service = place.service
    job = service.submit(service.draft(Request(name="dots"), "counts = {'0': 1}"))
    for holder in (job, job.result(60)):
        with pytest.raises(
            AttributeError, match=r"no attribute 'counts'\. A variable that came back is \['counts'\], with brackets"
        ):
            holder.counts  # type: ignore[union-attr]  # noqa: B018
        with pytest.raises(AttributeError, match=r"no attribute '_repr_png_'\.$"):
            holder._repr_png_  # type: ignore[union-attr]  # noqa: B018
    assert job["counts"] == {"0": 1}


def test_a_cell_uses_a_job_of_the_notebook_where_it_runs(place: Place) -> None:
    service = place.service
    first = service.submit(service.draft(Request(name="gives"), "values = [1, 2, 3]"))
    adds = service.draft(Request(name="adds", after=(first.id,)), "total = sum(first['values'])", {"first": first})
    total = service.submit(adds)
    assert total.result(60)["total"] == 6


def test_a_job_whose_folder_somebody_removed_says_so_wherever_it_is_asked(place: Place) -> None:
    service = place.service
    job = service.submit(service.draft(Request(name="lost"), "1"))
    job.wait(60)
    remove_tree(job.folder.path)
    data, _ = job._repr_mimebundle_()
    said = f"The folder of job {job.id.partition('-')[2]} is gone: {job.folder.path}. Somebody removed it"
    assert data["text/plain"].startswith(said)
    assert set(data) == {"text/plain", "text/html"}
    for ask in (lambda: job.state, job.result, job.logs, job.explain, job.cancel, lambda: job.wait(60)):
        with pytest.raises(UnreadableJobError, match="is gone"):
            ask()
    assert job.id not in [summary.id for summary in service.jobs()]
