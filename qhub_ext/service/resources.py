"""The site's quantum resources with what they say of themselves; a row for each, also when it does not answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from qhub_ext.errors import DeviceError
from qhub_ext.settings import QpuSettings
from qhub_ext.tiers.qpu.capabilities import CAPABILITIES
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.resources import Resource, list_resources

ASK_S = 15.0


@dataclass(frozen=True)
class ResourceState:
    """`state` in the resource's own word, "" when it was not asked; `queue` tasks that wait there."""

    name: str
    device: str
    type: str
    source: str
    takes: str = ""
    state: str = ""
    queue: int | None = None
    trouble: str = ""


def list_states(settings: QpuSettings, *, ask: bool) -> list[ResourceState]:
    found = list_resources(settings)
    if not found:
        return []
    if not ask:
        return [_plain(resource) for resource in found]
    with ThreadPoolExecutor(len(found)) as pool:
        return list(pool.map(lambda r: _asked(r, min(ASK_S, settings.deadline_s)), found))


def _plain(resource: Resource) -> ResourceState:
    takes = CAPABILITIES[resource.type].takes if resource.type in CAPABILITIES else ""
    return ResourceState(
        resource.name, resource.device, resource.type, resource.source, takes, trouble=resource.trouble
    )


def _asked(resource: Resource, deadline_s: float) -> ResourceState:
    row = _plain(resource)
    if row.trouble:
        return row
    process = ResourceProcess(resource)
    try:
        status = process.call("status", deadline_s=deadline_s)
    except DeviceError as error:
        return replace(row, state="unknown", trouble=str(error))
    finally:
        process.close()
    state = str(status.get("status", "")).rpartition(".")[2].lower()
    return replace(
        row, state=state, queue=status.get("pending_job_count"), trouble=str(status.get("status_reason") or "")
    )
