"""Widgets that are brought up to date: each function asks the service, makes a widget, and has it watched."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from qhub_ext.errors import QhubError
from qhub_ext.job.record import JobRecord
from qhub_ext.service import Job, JobService
from qhub_ext.service.calibration_look import look_at
from qhub_ext.service.choice import current_choice
from qhub_ext.service.offers import offered_tiers
from qhub_ext.settings import current_settings
from qhub_ext.sites.scheduler import QueueEntry
from qhub_ext.tiers import catalog
from qhub_ext.widgets.calibration import CalibrationMap
from qhub_ext.widgets.card import JobCard
from qhub_ext.widgets.picker import TierPicker
from qhub_ext.widgets.refresher import Refresher, Watch
from qhub_ext.widgets.site_queue import QueueTable


@lru_cache(maxsize=1)
def refresher() -> Refresher:
    """The one of this kernel."""
    return Refresher()


def job_card(job: Job | str) -> JobCard:
    """A live card of a job, with buttons. `job` is a Job, or what `%qpu job` takes: an id, a name, -1."""
    service = JobService()  # of its own: the thread and the cells share nothing
    found = service.job(job.id if isinstance(job, Job) else job)

    def act(verb: str) -> str:
        try:
            refusals = JobService(service.settings).apply(verb, [found.id])
        except QhubError as error:
            return str(error)
        if refusals:
            return refusals[0].why
        watch()
        return ""

    card = JobCard(found.record, act)
    watches: list[Watch] = []

    def watch() -> None:
        """Until the job has ended; a requeue begins anew."""
        if watches and not watches[-1].over():
            refresher().nudge()
            return
        known = _key(card.record)
        watches.append(
            Watch(
                ask=lambda: service.record(found.id),
                draw=card.draw,
                say=card.say,
                over=lambda: card.closed or (card.record.state.final and _key(card.record) != known),
                key=_key,
                last=known,
            )
        )
        refresher().watch(watches[-1])

    if not card.record.state.final:
        watch()
    return card


def _key(record: JobRecord) -> Any:
    attempt = record.attempt
    return (record.state, attempt.number, attempt.phase_text, attempt.reason, record.done, record.stale_since is None)


def queue_table() -> QueueTable:
    """The site's queue, live until the widget is closed."""
    service = JobService()
    table = QueueTable(service.queue())

    def key(entries: Sequence[QueueEntry]) -> Any:
        return [(e.job_id, e.state, e.position, e.reason) for e in entries]

    refresher().watch(Watch(service.queue, table.draw, table.say, lambda: table.closed, key, last=key(table.entries)))
    return table


def tier_picker() -> TierPicker:
    """Chooses as `%qpu use` does, and follows it."""
    choice, settings = current_choice(), current_settings()

    def choose(wanted: dict[str, Any]) -> str:
        try:
            choice.take_json(wanted)
        except QhubError as error:
            return str(error)
        return ""

    tiers = offered_tiers(settings, choice.chosen["device"])
    picker = TierPicker(tiers, catalog.list_devices(settings.cache), choice.chosen, choose)

    def follow(chosen: dict[str, Any]) -> None:
        if picker.closed:
            choice.listeners.remove(follow)
        else:
            picker.draw(chosen)

    choice.listeners.append(follow)
    return picker


def calibration_map(
    device: str = "", *, metric: str = "readout", circuit: Any = None, versus: str = "", theme: str = "auto"
) -> CalibrationMap:
    """As `%qpu calibration`: of the chosen device unless another is named. `circuit` is a transpiled QuantumCircuit."""
    settings = current_settings()
    drawn = None if circuit is None else (getattr(circuit, "name", "circuit"), circuit)
    wanted = device or current_choice().chosen["device"]
    return CalibrationMap(look_at(wanted, settings.shelf, metric=metric, circuit=drawn, versus=versus), theme)
