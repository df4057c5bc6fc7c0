"""What the answers hold: facts of the service as JSON. Blocking; called in a thread with the service of the moment."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext import __version__
from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.identity import short_id
from qhub_ext.server.one_job import known
from qhub_ext.server.replies import ConflictError

if TYPE_CHECKING:
    from qhub_ext.server.feed import Feed
    from qhub_ext.server.monitor import Monitor
    from qhub_ext.service import JobService
    from qhub_ext.service.resources import ResourceState
    from qhub_ext.tiers.device_summary import DeviceSummary

ACTIONS = ("cancel", "hold", "release", "requeue")
MOST_IDS = 1000
TASK_FACTS = (
    *("id", "mine", "user", "profile", "device", "state", "submitted_at", "started_at", "done", "of", "place", "why", "earliest", "latest"),
)  # fmt: skip


def choice(service: JobService) -> dict[str, Any]:
    """The site, the tiers and what the settings choose among them."""
    from qhub_ext.service.offers import offered_tiers

    settings = service.settings
    return {
        "site": settings.site,
        "broker": settings.broker.place is not None,
        "chosen": {"tier": settings.tier, "device": settings.device},
        "tiers": [dataclasses.asdict(offer) | {"open": not offer.why} for offer in offered_tiers(settings)],
    }


def status(monitor: Monitor, found: dict[str, Any]) -> dict[str, Any]:
    feed = monitor.feed
    return {
        "version": __version__,
        "epoch": feed.epoch,
        "seq": feed.seq,
        "site": {"name": found["site"], "as_of": monitor.site_as_of, "stale_since": monitor.stale_since},
        "broker": found["broker"],
        "chosen": found["chosen"],
        "tiers": found["tiers"],
        "counts": {"running": feed.running, "waiting": feed.waiting},
    }


# -- devices


def standing(service: JobService) -> list[ResourceState]:
    """What the site's resources say of themselves; as long as the slowest takes to answer."""
    from qhub_ext.service.resources import standing as ask_all

    return ask_all(service.settings)


def devices(service: JobService, tier: str, told: Sequence[ResourceState]) -> dict[str, Any]:
    """`told` is what resources said when they were last asked; those that nobody asked yet are named without a state."""
    from qhub_ext.service.resources import VIRTUAL, list_states
    from qhub_ext.tiers import catalog

    settings = service.settings
    met = _newer_snapshots(service)
    named = [] if settings.broker.shared else list_states(settings.qpu, ask=False)
    standing = {state.device: state for state in reversed([*told, *named])}
    virtual = settings.qpu.virtual_at(settings.site_of("qpu"))
    rows = []
    if not catalog.is_cached(settings.cache):
        _fill_cache(settings.cache)
    for packaged in catalog.list_devices(settings.cache):
        device = met.get(packaged.name, packaged)
        state = standing.get(device.name)
        if tier == "qpu" and state is None and not virtual:
            continue
        resource = None
        if state is not None:
            resource = {name: value for name, value in vars(state).items() if name != "device"}
        rows.append(
            device.to_json()
            | {
                "snapshot_age_s": _age(device),
                "resource": resource,
                "virtual": virtual and (state is None or state.type.endswith(VIRTUAL)),
            }
        )
    return {"devices": rows}


def _fill_cache(cache: Path) -> None:
    """In a process of its own: the server neither stops for seconds nor grows. When it fails, the listing does the work."""
    code = (
        "import sys, pathlib; from qhub_ext.tiers.catalog import list_devices; list_devices(pathlib.Path(sys.argv[1]))"
    )
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            [sys.executable, "-P", "-c", code, str(cache)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )  # fmt: skip


def _newer_snapshots(service: JobService) -> dict[str, DeviceSummary]:
    """Of devices that a job has met since the installed package was made."""
    from qhub_ext.jobfolder.calibrations import CalibrationStore
    from qhub_ext.service.calibrations import snapshot_of
    from qhub_ext.tiers import catalog
    from qhub_ext.tiers.device_summary import summarise

    found = {}
    for name in set(CalibrationStore(service.shelf.path).devices()) & set(catalog.names()):
        snapshot = snapshot_of(name, service.shelf.path)
        found[name] = summarise(snapshot, catalog.read_configuration(name))
    return found


def _age(device: DeviceSummary) -> float:
    return time.time() - seconds(device.snapshot_at)


def seconds(moment: str) -> float:
    """ISO 8601 -> s since 1970 UTC."""
    return datetime.fromisoformat(moment).timestamp()


def calibration(service: JobService, name: str) -> dict[str, Any]:
    """The newest snapshot that is known of the device: of the installed package, or one that a job has met since."""
    from qhub_ext.service.calibrations import snapshot_of
    from qhub_ext.tiers import catalog
    from qhub_ext.tiers.chart import chart

    snapshot = snapshot_of(name, service.shelf.path)
    configuration = catalog.read_configuration(snapshot.device) if snapshot.device in catalog.names() else {}
    return chart(snapshot, configuration)


# -- the queue


def queue(service: JobService) -> dict[str, Any]:
    """Raises SiteUnreachableError."""
    from qhub_ext.display.site_queue import known_at

    entries = service.queue()
    own = set(service.shelf.ids())
    rows = [
        dataclasses.asdict(e)
        | {"state": e.state.value, "short_id": short_id(e.job_id), "mine": e.job_id.partition(".")[0] in own}
        for e in entries
    ]
    return {"entries": rows, "as_of": known_at(entries, time.time()), "stale_since": None}


def tasks(service: JobService, jobs: Mapping[str, str]) -> dict[str, Any]:
    """Quantum tasks at the broker. `jobs` has the ids of my jobs by those of their sites. Raises DeviceError."""
    from qhub_ext.service.broker_tasks import open_tasks

    found = open_tasks(service.settings) or {"tasks": [], "total": 0}
    rows = [
        {name: task[name] for name in TASK_FACTS} | {"job_id": jobs.get(task["job"], "")} for task in found["tasks"]
    ]
    return {"tasks": rows, "total": found["total"], "as_of": time.time()}


def fleet(service: JobService, by: str, days: int) -> dict[str, Any]:
    """What the broker tells of everybody's ended jobs, to this user; `broker` False where there is none. Raises DeviceError, PreflightError."""
    from qhub_ext.display.fleet import fleet_plotly
    from qhub_ext.service.fleet import ask_fleet, ask_levels

    if service.settings.broker.shared is None:
        return {"broker": False, "overview": None, "levels": None, "figure": None}
    found = ask_fleet(service, days, by)
    return {"broker": True, "overview": found, "levels": ask_levels(service, days), "figure": fleet_plotly(found)}


# -- jobs


def changes(feed: Feed, epoch: str, after: int) -> dict[str, Any]:
    found = feed.since(epoch, after)
    return {
        "epoch": feed.epoch,
        "seq": feed.seq,
        "jobs": [] if found is None else [entry.to_json() for entry in found.jobs],
        "removed": [] if found is None else found.removed,
        "counts": feed.counts,
        "complete": found is not None,
    }


def doctor(service: JobService) -> dict[str, Any]:
    return {"findings": [dataclasses.asdict(finding) for finding in service.doctor()]}


# -- actions


def read_action(body: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    from qhub_ext.job.identity import is_job_id

    verb, ids = body.get("verb"), body.get("ids")
    if verb not in ACTIONS:
        raise InvalidOptionError(f"verb {str(verb)[:80]!r} is not accepted.", advice=f"One of {', '.join(ACTIONS)}.")
    if not isinstance(ids, list) or not 0 < len(ids) <= MOST_IDS:
        raise InvalidOptionError(f"ids must be a list of 1 to {MOST_IDS} job ids.")
    for job_id in ids:
        if not isinstance(job_id, str) or not is_job_id(job_id):
            raise InvalidOptionError(f"{str(job_id)[:80]!r} is not a job id.")
    return verb, tuple(dict.fromkeys(ids))


def act(service: JobService, verb: str, job_id: str) -> dict[str, Any]:
    """Raises ConflictError when it could not be done at all."""
    known(service, job_id)
    size = service.spec(job_id).size
    refusals = [vars(r) for r in service.apply(verb, [job_id])]
    if refusals and len(refusals) >= (size or 1):
        raise ConflictError(
            f"Job {short_id(job_id)} cannot be put through {verb}: {refusals[0]['why']}", facts={"refusals": refusals}
        )
    return {"refusals": refusals}


def act_on_many(service: JobService, verb: str, ids: tuple[str, ...]) -> dict[str, Any]:
    for job_id in ids:
        known(service, job_id)
    return {"refusals": [vars(r) for r in service.apply(verb, ids)]}
