"""Seconds of QPU as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from qhub_ext.display.tables import Table
from qhub_ext.display.words import duration
from qhub_ext.job.identity import is_job_id, short_id


class Row(Protocol):
    """See `qhub_ext.service.usage.Sum`."""

    @property
    def key(self) -> str: ...
    @property
    def jobs(self) -> int: ...
    @property
    def tasks(self) -> int: ...
    @property
    def qpu_s(self) -> float: ...
    @property
    def seen_s(self) -> float: ...
    @property
    def open_tasks(self) -> int: ...
    @property
    def queued_s(self) -> float: ...


def usage_table(by: str, since: str, rows: Sequence[Row], jobs: Sequence[dict[str, Any]]) -> Table:
    shown = [
        (
            short_id(row.key) if is_job_id(row.key) else row.key,
            str(row.jobs),
            str(row.tasks),
            duration(row.qpu_s),
            duration(row.seen_s) if row.seen_s else "–",
            duration(row.queued_s),
            str(row.open_tasks) if row.open_tasks else "–",
        )
        for row in rows
    ]
    total = sum(row.qpu_s + row.seen_s for row in rows)
    return Table(
        (by, "jobs", "tasks", "QPU", "not counted there", "in its queue", "open"),
        shown,
        facts={"by": by, "since": since, "sums": [vars(row) for row in rows], "jobs": list(jobs)},
        empty=f"No job of the last {since} sent anything to a device.",
        footer=f"{duration(total)} in the last {since}. QPU is what the devices counted; of tasks that they did not count, the time that they were "
        "seen running. `open`: how they ended is not known; `explain JOB` asks.",
    )
