"""The site's queue as a table."""

from __future__ import annotations

from collections.abc import Sequence

from qhub_ext.display.tables import Table
from qhub_ext.display.words import limit, moment, state_words
from qhub_ext.job.identity import short_id
from qhub_ext.sites.scheduler import QueueEntry


def queue_table(entries: Sequence[QueueEntry], as_of: float | None = None) -> Table:
    """`as_of` is when the site was asked; an entry that is older says so itself."""
    numbered = any(e.priority is not None for e in entries)
    several = len({e.site for e in entries}) > 1
    rows = [
        (
            "▶" if e.position is None else str(e.position),
            short_id(e.job_id),
            e.name,
            e.owner,
            state_words(e.state),
            e.tier,
            *((e.site,) if several else ()),
            *((e.lane.removeprefix("partition "), "" if e.priority is None else str(e.priority)) if numbered else ()),
            limit(e.time_s),
            e.reason,
        )
        for e in entries
    ]
    facts = [vars(e) | {"state": e.state.value} for e in entries]
    columns = ["place", "job", "name", "owner", "state", "tier", "limit", "reason"]
    columns[6:6] = [*(["site"] if several else []), *(["partition", "priority"] if numbered else [])]
    order = "; those that wait stand by priority" if numbered else ""
    footer = "" if as_of is None else f"As of {moment(known_at(entries, as_of))}{order}."
    return Table(
        columns, rows, facts=facts, empty="The queue is empty.", footer=footer, widths={"name": 32, "reason": 60}
    )


def known_at(entries: Sequence[QueueEntry], asked_at: float) -> float:
    """As old as the oldest of them."""
    return min((e.as_of for e in entries if e.as_of is not None), default=asked_at)
