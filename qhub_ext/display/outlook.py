"""What a site would be like with so many users, as a table: see `qhub_ext.broker.capacity`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from qhub_ext.display.tables import Table
from qhub_ext.display.words import duration

PROFILES = ("production", "test", "development")
COLUMNS = ("users", "tasks a day", "devices", "use", *(f"{p} waits" for p in PROFILES), "slices a day", "one decision")


class Planned(Protocol):
    @property
    def users(self) -> int: ...


class Outlook(Protocol):
    @property
    def plan(self) -> Planned: ...
    @property
    def devices(self) -> int: ...
    @property
    def tasks_day(self) -> float: ...
    @property
    def slices_day(self) -> float: ...
    @property
    def use(self) -> float: ...
    @property
    def decision_s(self) -> float: ...
    @property
    def waits(self) -> Mapping[str, tuple[float, float]]: ...


def outlook_row(one: Outlook) -> tuple[str, ...]:
    return (
        f"{one.plan.users:,}", f"{one.tasks_day:,.0f}", str(one.devices), f"{100 * one.use:.0f} %",
        *(_wait(one.waits.get(profile)) for profile in PROFILES), f"{one.slices_day:,.0f}", f"{1e3 * one.decision_s:.2f} ms",
    )  # fmt: skip


def outlook_table(found: Sequence[Any]) -> Table:
    return Table(
        COLUMNS,
        [outlook_row(one) for one in found],
        facts={"outlooks": [asdict(one) for one in found]},
        footer="Waits are from submission to the first slice: half of the tasks wait no longer than the first number, 95 of 100 no longer than the second; "
        "what came in the first quarter of the time is left out. Use is of the time between calibrations. A decision is timed on this machine.",
    )


def _wait(found: tuple[float, float] | None) -> str:
    return "–" if found is None else f"{_told(found[0])} / {_told(found[1])}"


def _told(seconds: float) -> str:
    return "0 s" if seconds < 0.5 else duration(round(seconds))
