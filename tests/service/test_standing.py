"""Where a waiting job stands, in words."""

from __future__ import annotations

from typing import Any

import pytest

from qhub_ext.job.state import State
from qhub_ext.service.standing import describe_standing
from qhub_ext.sites.scheduler import QueueEntry


def entry(job: str, state: State = State.QUEUED, **changes: Any) -> QueueEntry:
    usual = {"site_id": "17", "name": "a", "owner": "me", "position": None, "submitted_at": 0.0}
    return QueueEntry(job_id=f"01kayt4w2-{job}" if job else "", state=state, **{**usual, **changes})


RUNNING = entry("aaaaaa", State.RUNNING)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "1 of 1 that wait; none is ahead"),
        ([entry("bbbbbb")], "2 of 2 that wait; ahead: bbbbbb (yours)"),
        ([entry("bbbbbb", owner="bob"), entry("")], "3 of 3 that wait; ahead: bbbbbb of bob, 17 of the site (yours)"),
        ([entry("bbbbbb", State.HELD), entry("cccccc", lane="partition other")], "1 of 1 that wait; none is ahead"),
        (
            [entry(f"bbbbb{n}") for n in range(5)],
            "6 of 6 that wait; ahead: 2 more and bbbbb2 (yours), bbbbb3 (yours), bbbbb4 (yours)",
        ),
    ],
)
def test_a_place_counts_those_that_wait_in_the_same_lane_and_names_who_is_ahead(
    line: list[QueueEntry], said: str
) -> None:
    own = entry("zzzzzz")
    assert describe_standing([RUNNING, *line, own], own.job_id) == said


def test_lane_and_priority_are_told_where_the_site_has_them() -> None:
    own = entry("zzzzzz", lane="partition wide", priority=2666)
    said = "1 of 2 that wait in partition wide, by priority (2666); none is ahead"
    assert describe_standing([own, entry("yyyyyy", lane="partition wide", priority=12)], own.job_id) == said


def test_an_array_stands_where_its_first_element_does_and_what_runs_stands_nowhere() -> None:
    first, second = entry("zzzzzz.3"), entry("zzzzzz.4")
    assert describe_standing([RUNNING, first, second], "01kayt4w2-zzzzzz") == "1 of 2 that wait; none is ahead"
    assert describe_standing([RUNNING], RUNNING.job_id) == ""
    assert describe_standing([RUNNING, entry("bbbbbb", State.HELD)], "01kayt4w2-bbbbbb") == ""
