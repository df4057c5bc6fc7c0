"""What operators ordered, and the leases of sessions, as the ledger keeps them: windows, drained devices, limits, and who ordered what."""

from __future__ import annotations

import logging

from qhub_ext.broker.database import Database, Row
from qhub_ext.broker.rows import LeaseRow, Session
from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.windows import Window

log = logging.getLogger(__name__)


class OrderBook:
    def __init__(self, database: Database) -> None:
        self._database = database

    def windows(self) -> list[tuple[int, Window]]:
        found = []
        for r in self._database.rows("SELECT * FROM windows ORDER BY id"):
            try:
                found.append((r["id"], Window(r["start"], r["length_s"], r["rule"], r["device"], r["note"])))
            except InvalidOptionError as error:  # an earlier version took it; without a broker nobody could remove it
                log.warning("window %s does not count: %s", r["id"], error.message)
        return found

    def add_window(self, window: Window) -> int:
        with self._database.transaction() as execute:
            (made,) = execute(
                "INSERT INTO windows (device, start, length_s, rule, note) VALUES (?, ?, ?, ?, ?) RETURNING id",
                window.device, window.start, window.length_s, window.rule, window.note,
            )  # fmt: skip
        return int(made["id"])

    def remove_window(self, number: int) -> bool:
        with self._database.transaction() as execute:
            return bool(execute("DELETE FROM windows WHERE id = ? RETURNING id", number))

    def drained(self) -> dict[str, str]:
        return {row["device"]: row["note"] for row in self._database.rows("SELECT * FROM drained")}

    def set_drained(self, device: str, *, drained: bool, note: str, now: float) -> None:
        with self._database.transaction() as execute:
            execute("DELETE FROM drained WHERE device = ?", device)
            if drained:
                execute("INSERT INTO drained VALUES (?, ?, ?)", device, now, note)

    def limits(self) -> list[Row]:
        return self._database.rows("SELECT scope, name, what, value FROM limits ORDER BY scope, name, what")

    def set_limit(self, scope: str, name: str, what: str, value: float | None) -> None:
        """`value` None for none at all."""
        with self._database.transaction() as execute:
            execute("DELETE FROM limits WHERE scope = ? AND name = ? AND what = ?", scope, name, what)
            execute("INSERT INTO limits VALUES (?, ?, ?, ?)", scope, name, what, value)

    def drop_limit(self, scope: str, name: str, what: str) -> bool:
        with self._database.transaction() as execute:
            return bool(execute("DELETE FROM limits WHERE scope = ? AND name = ? AND what = ? RETURNING what", scope, name, what))  # fmt: skip

    def add_lease(self, device: str, session: Session, since: float, until: float) -> LeaseRow:
        with self._database.transaction() as execute:
            (made,) = execute(
                'INSERT INTO leases (device, session, "user", profile, since, until) VALUES (?, ?, ?, ?, ?, ?) RETURNING *',
                device, session.id, session.user, session.profile, since, until,
            )  # fmt: skip
        return LeaseRow(**made)

    def end_lease(self, number: int, now: float) -> None:
        with self._database.transaction() as execute:
            execute("UPDATE leases SET ended_at = ? WHERE id = ? AND ended_at IS NULL", now, number)

    def open_leases(self) -> list[LeaseRow]:
        return [
            LeaseRow(**row) for row in self._database.rows("SELECT * FROM leases WHERE ended_at IS NULL ORDER BY id")
        ]

    def last_lease(self, device: str, user: str) -> LeaseRow | None:
        rows = self._database.rows(
            'SELECT * FROM leases WHERE device = ? AND "user" = ? ORDER BY id DESC LIMIT 1', device, user
        )
        return LeaseRow(**rows[0]) if rows else None

    def log(self, who: str, verb: str, what: str, now: float) -> None:
        with self._database.transaction() as execute:
            execute("INSERT INTO audit VALUES (?, ?, ?, ?)", now, who, verb, what)

    def audit(self, limit: int = 1000) -> list[Row]:
        return self._database.rows("SELECT * FROM audit ORDER BY at DESC LIMIT ?", limit)
