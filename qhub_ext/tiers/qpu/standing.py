"""Who stands for a device: the broker, a resource of the site, or a virtual QPU."""

from __future__ import annotations

import time

from qhub_ext.errors import Cause, DeviceError, PreflightError
from qhub_ext.job.context import current
from qhub_ext.settings import QpuSettings, current_settings
from qhub_ext.tiers.qpu.brokered import Place, brokered_resource, job_here, resource_at
from qhub_ext.tiers.qpu.own_broker import keep_up
from qhub_ext.tiers.qpu.pool import succeed
from qhub_ext.tiers.qpu.resources import Resource, prologue_trouble, resource_for
from qhub_ext.tiers.qpu.virtual import virtual_resource


def find_resource(device: str, settings: QpuSettings, site: str) -> Resource:
    """The resource that stands for a device, or a virtual QPU. Raises DeviceError, PreflightError where there is none."""
    broker = current_settings().broker.place
    if broker is not None:
        return brokered(device, broker)
    resource = resource_for(device, settings)
    if resource is not None:
        return resource
    if settings.virtual_at(site):
        return virtual_resource(device, settings)
    told = prologue_trouble()
    raise PreflightError(
        f"No quantum resource of this site stands for {device}.{f' The prologue of this job says: {told}' if told else ''}",
        advice="`qhub devices` lists those that there are; the same cell runs on the tiers local and emulation.",
        cause=Cause.INTEGRATION,
    )


def look_at(device: str, settings: QpuSettings, site: str) -> Resource:
    """What stands for a device, to be asked what it is like: at a site's broker without a session, as only a job can open one. Raises as `find_resource`."""
    broker = current_settings().broker.shared
    if broker is None:
        return find_resource(device, settings, site)
    found = resource_at(broker, device)
    if found is None:
        raise DeviceError(f"Nothing behind the broker at {broker} stands for {device}.")
    return found


_sessions: dict[tuple[str, Place, str | None, str], Resource] = {}


def brokered(device: str, path: Place) -> Resource:
    """One session per job: asked for once."""
    context = current()
    key = (device, path, context.job_id, context.profile)
    if key not in _sessions:
        keep_up()
        _sessions[key] = made = brokered_resource(device, path)
        config = frozenset(made.config.items())
        _of_job[config], _renewed_at[config] = (job_here(), context.profile), time.monotonic()
    return _sessions[key]


RENEW_S = 20.0
_of_job: dict[frozenset[tuple[str, str]], tuple[str, str]] = {}
_renewed_at: dict[frozenset[tuple[str, str]], float] = {}


def renew(resource: Resource) -> None:
    """Before a task is sent: the broker is there, and the session open, of the same job as before. One that nobody used for long has ended; then
    another one is asked in the place of this resource. Raises DeviceError, PreflightError.
    """
    place, key = current_settings().broker.place, frozenset(resource.config.items())
    if place is None or key not in _of_job:
        return
    keep_up()
    if time.monotonic() - _renewed_at.get(key, float("-inf")) < RENEW_S:
        return
    heir = brokered_resource(resource.device, place, *_of_job[key])
    if heir.config != resource.config:
        succeed(resource, heir)
    _renewed_at[key] = time.monotonic()


def require(resource: Resource, *payloads: str) -> None:
    """Raises PreflightError for a resource that takes none of these kinds of payload."""
    if resource.can.takes not in payloads:
        raise PreflightError(
            f"{resource.title} takes {resource.can.takes}, not {payloads[0]}.",
            advice="`qhub resources` shows what each takes.",
        )
