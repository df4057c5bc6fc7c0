"""Tasks that wait at the broker, as a table; the same rows for users and operators."""

from __future__ import annotations

import time
from typing import Any

from qhub_ext.display.tables import Table
from qhub_ext.display.words import age


def tasks_table(found: dict[str, Any], title: str = "") -> Table:
    """`found` is the broker's answer to `/v1/tasks`."""
    now = time.time()
    rows = [
        (
            "▶" if t["state"] == "running" and not t["why"] else str(t["place"]),
            t["id"] or "–",
            t["user"],
            t["profile"],
            t["device"],
            f"{t['done']}/{t['of']}",
            age(now - t["submitted_at"]),
            "–" if not t["why"] else t["expected"] or "unknown",
            t["why"],
        )
        for t in found["tasks"]
    ]
    more = found["total"] - len(rows)
    return Table(
        ("place", "task", "user", "profile", "device", "done", "since", "begins", "why"),
        rows,
        facts=found,
        title=title,
        empty="No task waits at the broker.",
        footer=f"and {more} more" if more > 0 else "",
        widths={"why": 70},
    )
