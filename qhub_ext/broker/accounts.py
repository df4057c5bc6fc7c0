"""What was used, by whom, and how long tasks waited and ran: counted in the ledger's tables as slices and tasks end."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from qhub_ext.broker.database import Database, Execute, Row
from qhub_ext.broker.tables import TIME_BOUNDS_S

Used = dict[str, tuple[float, float]]
"""Owner -> seconds of QPU, and the moment at which they were so many (s since 1970 UTC)."""


class Accounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def usage(self, since: float) -> list[dict[str, Any]]:
        """Seconds of QPU, slices and tasks by user, account, profile, device and job, of slices that ended since then."""
        query = """
            SELECT t."user", t.account, t.profile, s.device, t.job, sum(s.qpu_s) AS qpu_s, count(*) AS slices, count(DISTINCT t.id) AS tasks
            FROM slices s JOIN tasks t ON t.id = s.task WHERE s.state = 'done' AND s.ended_at >= ?
            GROUP BY t."user", t.account, t.profile, s.device, t.job ORDER BY qpu_s DESC"""
        return self._database.rows(query, since)

    def shares(self) -> Used:
        """What owners had."""
        return {row["owner"]: (row["seconds"], row["at"]) for row in self._database.rows("SELECT * FROM shares")}

    def lent(self) -> Used:
        """What others had in the places of owners."""
        return {row["owner"]: (row["seconds"], row["at"]) for row in self._database.rows("SELECT * FROM lent")}

    def set_share(self, owner: str, seconds: float, now: float) -> None:
        with self._database.transaction() as execute:
            put_share(execute, owner, seconds, now)

    def totals(self) -> list[Row]:
        """Of all time, by device and profile: `n` tasks that ended, by state and cause, and as the state `slice` slices with their `qpu_s`. Counted as
        they end, so that a monitoring system may ask often.
        """
        return self._database.rows(
            "SELECT device, profile, state, cause, n, qpu_s FROM totals ORDER BY device, profile, state, cause"
        )

    def task_times(self) -> list[Row]:
        """Per profile, of all time: how many tasks waited, and ran, up to each of TIME_BOUNDS_S (wait_0, wait_1 ...), wait_sum, wait_count, and run
        likewise. Counted as they begin and end.
        """
        found: dict[str, Row] = {}
        for row in self._database.rows("SELECT profile, what, bound, n, seconds FROM times ORDER BY profile"):
            names = [f"{what}_{n}" for what in ("wait", "run") for n in (*range(len(TIME_BOUNDS_S)), "sum", "count")]
            one = found.setdefault(row["profile"], {"profile": row["profile"], **dict.fromkeys(names, 0)})
            one[f"{row['what']}_count"] += row["n"]
            one[f"{row['what']}_sum"] += row["seconds"]
            for n in range(row["bound"], len(TIME_BOUNDS_S)):
                one[f"{row['what']}_{n}"] += row["n"]
        return list(found.values())


def put_share(execute: Execute, owner: str, seconds: float, now: float) -> None:
    execute(
        "INSERT INTO shares (owner, seconds, at) VALUES (?, ?, ?) "
        "ON CONFLICT (owner) DO UPDATE SET seconds = excluded.seconds, at = excluded.at",
        owner, seconds, now,
    )  # fmt: skip


def put_lent(execute: Execute, owner: str, seconds: float, now: float) -> None:
    execute(
        "INSERT INTO lent (owner, seconds, at) VALUES (?, ?, ?) "
        "ON CONFLICT (owner) DO UPDATE SET seconds = excluded.seconds, at = excluded.at",
        owner, seconds, now,
    )  # fmt: skip


def add_to_totals(execute: Execute, device: str, profile: str, state: str, cause: str, qpu_s: float = 0.0) -> None:
    execute(
        "INSERT INTO totals (device, profile, state, cause, n, qpu_s) VALUES (?, ?, ?, ?, 1, ?) "
        "ON CONFLICT (device, profile, state, cause) DO UPDATE SET n = totals.n + 1, qpu_s = totals.qpu_s + excluded.qpu_s",
        device, profile, state, cause, qpu_s,
    )  # fmt: skip


def add_to_times(execute: Execute, profile: str, what: str, seconds: float) -> None:
    """A task waited, or ran, so long."""
    length = max(0.0, seconds)
    execute(
        "INSERT INTO times (profile, what, bound, n, seconds) VALUES (?, ?, ?, 1, ?) "
        "ON CONFLICT (profile, what, bound) DO UPDATE SET n = times.n + 1, seconds = times.seconds + excluded.seconds",
        profile, what, bisect_left(TIME_BOUNDS_S, length), length,
    )  # fmt: skip
