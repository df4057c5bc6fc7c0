"""The quantum tasks that wait or run at the broker, in the order in which they would run now, each with why it waits."""

from __future__ import annotations

from typing import Any

from qhub_ext.settings import Settings
from qhub_ext.tiers.qpu.own_broker import ask_if_up


def open_tasks(settings: Settings) -> dict[str, Any] | None:
    """`tasks` and their `total`, those of others without what is theirs alone; None where the tier qpu goes through no broker.

    Raises DeviceError for a broker that does not answer.
    """
    if settings.broker.place is None:
        return None
    return ask_if_up(settings.broker, "/v1/tasks?everybody=true") or {"tasks": [], "total": 0}
