"""The site's queue as a table."""

from __future__ import annotations

from collections.abc import Sequence

from qhub_ext.display.tables import Table
from qhub_ext.display.words import duration, state_words
from qhub_ext.job.identity import short_id
from qhub_ext.sites.scheduler import QueueEntry


def queue_table(entries: Sequence[QueueEntry]) -> Table:
    rows = [
        (
            "▶" if e.position is None else str(e.position),
            short_id(e.job_id),
            e.name,
            e.owner,
            state_words(e.state),
            e.tier,
            duration(e.time_s),
            e.reason,
        )
        for e in entries
    ]
    facts = [vars(e) | {"state": e.state.value} for e in entries]
    return Table(
        ("place", "job", "name", "owner", "state", "tier", "limit", "reason"),
        rows, facts=facts, empty="The queue is empty.", widths={"name": 32, "reason": 60},
    )  # fmt: skip
