"""The numbering of changes: whoever asks with the number that it was told misses nothing and hears nothing twice."""

from __future__ import annotations

import random

from qhub_ext.jobfolder.summary import Summary
from qhub_ext.server.feed import REMEMBERED, Entry, Feed, page


def entry(job_id: str, state: str = "queued", **changes) -> Entry:
    facts = {
        "name": f"job {job_id}",
        "tier": "local",
        "device": "kingston",
        "site": "embedded",
        "cause": None,
        "message": "",
    }
    moments = dict.fromkeys(("submitted_at", "running_at", "ended_at", "size", "done"))
    summary = Summary(id=job_id, state=state, created_at=1.0, **{**facts, **moments, **changes.pop("facts", {})})
    return Entry(summary, **changes)


def ids(entries: list[Entry]) -> list[str]:
    return [e.summary.id for e in entries]


def test_only_what_differs_is_a_change():
    feed = Feed("e", [entry("a"), entry("b")])
    begin = feed.seq
    assert feed.update([entry("a"), entry("b")]) == []
    assert feed.seq == begin
    assert feed.update([entry("a", "running"), entry("b")]) == ["a"]
    assert feed.seq == begin + 1
    changes = feed.since("e", begin)
    assert changes is not None
    assert ids(changes.jobs) == ["a"]


def test_the_age_of_what_is_known_is_kept_but_is_no_change():
    feed = Feed("e", [entry("a", as_of=1.0)])
    assert feed.update([entry("a", as_of=2.0)]) == []
    assert feed.entries()[0].as_of == 2.0
    assert feed.update([entry("a", as_of=2.0, stale_since=2.0)]) == ["a"]


def test_a_removed_job_is_told_once_and_may_come_back():
    feed = Feed("e", [entry("a"), entry("b")])
    begin = feed.seq
    assert feed.update([], removed=["a", "never seen"]) == ["a"]
    changes = feed.since("e", begin)
    assert changes is not None
    assert (changes.jobs, changes.removed) == ([], ["a"])
    feed.update([entry("a")])
    changes = feed.since("e", begin)
    assert changes is not None
    assert (ids(changes.jobs), changes.removed) == (["a"], [])


def test_another_epoch_and_a_number_from_elsewhere_load_anew():
    feed = Feed("e", [entry("a")])
    assert feed.since("f", feed.seq) is None
    assert feed.since("e", feed.seq + 1) is None
    assert feed.since("e", 0) is None
    assert feed.since("e", feed.seq) is not None


def test_too_many_removals_since_load_anew_instead_of_forgetting_one():
    feed = Feed("e", [entry(f"{n:05}") for n in range(REMEMBERED + 10)])
    begin = feed.seq
    for n in range(REMEMBERED + 10):
        feed.update([], removed=[f"{n:05}"])
    assert feed.since("e", begin) is None
    later = feed.since("e", begin + 10)
    assert later is not None
    assert len(later.removed) == REMEMBERED


def test_a_client_that_applies_changes_at_random_moments_has_what_the_feed_has():
    dice = random.Random(7)
    feed = Feed("e")
    known: dict[str, Entry] = {}
    at = feed.seq
    states = ["queued", "running", "completed"]
    for _ in range(2000):
        names = [f"{n:02}" for n in range(30)]
        changed = [entry(i, dice.choice(states)) for i in dice.sample(names, dice.randint(0, 4))]
        there = {e.summary.id for e in changed}
        feed.update(changed, removed=[i for i in dice.sample(names, dice.randint(0, 2)) if i not in there])
        if dice.random() < 0.3:
            changes = feed.since("e", at)
            assert changes is not None
            for e in changes.jobs:
                known[e.summary.id] = e
            for gone in changes.removed:
                known.pop(gone, None)
            at = feed.seq
            assert sorted(known, reverse=True) == ids(feed.entries())
            assert all(known[e.summary.id] == e for e in feed.entries())
            assert sum(feed.counts.values()) == len(known)


def test_counts_tell_running_from_waiting_and_leave_ended_ones_out():
    feed = Feed("e", [entry("a", "running"), entry("b", "starting"), entry("c", "held"), entry("d", "failed")])
    assert (feed.running, feed.waiting) == (2, 1)
    feed.update([entry("a", "completed")], removed=["c"])
    assert (feed.running, feed.waiting) == (1, 0)
    assert feed.counts == {"completed": 1, "failed": 1, "starting": 1}


def test_a_page_is_newest_first_and_its_filter_leaves_the_counts_alone():
    feed = Feed(
        "e", [entry(f"{n}", "failed" if n % 2 else "completed", facts={"message": f"Because {n}"}) for n in range(9)]
    )
    found = page(feed, ["failed"], [], "", 1, 2)
    assert [j["id"] for j in found["jobs"]] == ["5", "3"]
    assert found["total"] == 4
    assert found["counts"] == {"completed": 5, "failed": 4}
    assert page(feed, [], [], "BECAUSE 4", 0, 10)["total"] == 1
    assert page(feed, [], ["qpu"], "", 0, 10)["total"] == 0
