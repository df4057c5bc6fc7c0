"""The fleet as a user asks about it: the broker's answer where there is one, else what the own shelf tells."""

from __future__ import annotations

import dataclasses
import getpass
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from qhub_ext.diagnosis.fleet.viewer import Viewer
from qhub_ext.diagnosis.fleet.written import read_summary
from qhub_ext.errors import QhubError
from qhub_ext.job.state import ACTIVE, State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outbox import Outbox
from qhub_ext.service.reporting import catch_up, send_waiting
from qhub_ext.tiers.qpu.brokered import ask_broker

if TYPE_CHECKING:
    from qhub_ext.service.jobs import JobService

DAY_S = 86400.0
IN_PASSING_S = 1.0
"""So long an explanation waits for the broker's word about others."""
LOOKED_AT = 2000
"""Jobs of the own shelf, the latest, where there is no broker."""


def ask_fleet(service: JobService, days: float, by: str) -> dict[str, Any]:
    """See `qhub_ext.diagnosis.fleet.answers.overview`. Raises DeviceError for a broker that does not answer."""
    place = service.settings.broker.shared
    if place is not None:
        bring_own(service)
        return dict(ask_broker(place, "GET", f"/v1/fleet?days={days:g}&by={quote(by, safe='')}"))
    from qhub_ext.diagnosis.fleet.answers import overview

    now = time.time()
    return overview(_own(service), _me(), by, now - days * DAY_S, now + DAY_S)


def ask_of_job(service: JobService, job_id: str, days: float = 7.0, *, timeout_s: float = 30.0) -> dict[str, Any]:
    """See `qhub_ext.diagnosis.fleet.answers.of_job`."""
    place = service.settings.broker.shared
    if place is not None:
        bring_own(service, timeout_s)
        target = f"/v1/fleet/jobs/{quote(job_id, safe='')}?days={days:g}"
        return dict(ask_broker(place, "GET", target, timeout_s=timeout_s))
    from qhub_ext.diagnosis.fleet.answers import of_job

    now = time.time()
    return of_job(_own(service), _me(), job_id, now - days * DAY_S, now + DAY_S)


def ask_levels(service: JobService, days: float) -> dict[str, Any]:
    """See `qhub_ext.diagnosis.fleet.slo.service_levels`. Raises DeviceError for a broker that does not answer."""
    given = service.settings.broker
    if given.shared is not None:
        bring_own(service)
        return dict(ask_broker(given.shared, "GET", f"/v1/fleet-levels?days={days:g}"))
    from qhub_ext.diagnosis.fleet.slo import service_levels

    now, fleet = time.time(), _own(service)
    recent = fleet.between(now - days * DAY_S, now).frame
    used = recent.groupby("device", observed=True)["qpu_s"].sum()
    devices = {str(device): float(seconds) for device, seconds in used.items() if seconds > 0}
    return service_levels(fleet, given.wait_targets_s, given.wait_share, devices, now - days * DAY_S, now)


def word_about(service: JobService, job_id: str) -> str:
    """Whether others meet what ended the job, in one sentence; "" where no broker says so within a moment."""
    if service.settings.broker.shared is None or service.shelf.record(job_id).state in (State.COMPLETED, *ACTIVE):
        return ""
    try:
        return str(ask_of_job(service, job_id, timeout_s=IN_PASSING_S)["sentence"])
    except (QhubError, OSError):
        return ""


def bring_own(service: JobService, timeout_s: float = 5.0) -> None:
    """What waits in the outbox, so that the answer knows of it. Raises DeviceError."""
    place, shelf = service.settings.broker.shared, service.shelf.path
    outbox = Outbox(shelf)
    catch_up(shelf, outbox)
    if place is not None and outbox.wanted:
        send_waiting(place, outbox, timeout_s)


def _me() -> Viewer:
    return Viewer(getpass.getuser(), names=True, alone=True)


def _own(service: JobService) -> Any:
    from qhub_ext.diagnosis.fleet.table import fleet_of

    catch_up(service.shelf.path, Outbox(service.shelf.path))
    rows = []
    for job_id in service.shelf.ids()[:LOOKED_AT]:
        folder = service.shelf.folder(job_id)
        parts = (
            [JobFolder(path) for path in sorted(folder.elements.iterdir())] if folder.elements.is_dir() else [folder]
        )
        for part in parts:
            for number in part.attempt_numbers():
                summary = read_summary(part.attempt(number))
                if summary is not None:
                    row = dataclasses.asdict(summary)
                    rows.append(row | {"user": _me().user, "versions": json.dumps(row["versions"], sort_keys=True), "parts_ns": json.dumps(row["parts_ns"])})  # fmt: skip
    return fleet_of(rows)
