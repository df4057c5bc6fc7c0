"""The quantum tasks that wait or run at the broker, in the order in which they would run now, each with why it waits."""

from __future__ import annotations

from typing import Any

from qhub_ext.settings import Settings
from qhub_ext.tiers.qpu.brokered import ask_broker
from qhub_ext.tiers.qpu.own_broker import is_up


def open_tasks(settings: Settings) -> dict[str, Any] | None:
    """`tasks` and their `total`, those of others without what is theirs alone; None where the tier qpu goes through no broker.

    Raises DeviceError for a broker that does not answer.
    """
    place = settings.broker.place
    if place is None:
        return None
    if not is_up(settings.broker):
        return {"tasks": [], "total": 0}
    found: dict[str, Any] = ask_broker(place, "GET", "/v1/tasks?everybody=true")
    return found
