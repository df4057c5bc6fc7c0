"""The helper processes of this process: one per resource, begun when it is first asked, ended with us."""

from __future__ import annotations

import atexit
import threading

from qhub_ext.tiers.qpu.capabilities import PRIMITIVES
from qhub_ext.tiers.qpu.process import ResourceProcess
from qhub_ext.tiers.qpu.resources import Resource
from qhub_ext.tiers.qpu.turn import BrokerTurn

_processes: dict[object, ResourceProcess | BrokerTurn] = {}
_heirs: dict[object, Resource] = {}
_opening = threading.Lock()


def process_for(resource: Resource) -> ResourceProcess | BrokerTurn:
    with _opening:
        resource = _heirs.get(_key(resource), resource)
        key = _key(resource)
        if key not in _processes:
            # the genuine client needs a session's key, and knows no device but IBM's
            by_client = not resource.brokered or (resource.config and resource.can.takes == PRIMITIVES)
            _processes[key] = ResourceProcess(resource) if by_client else BrokerTurn(resource)
        return _processes[key]


def succeed(resource: Resource, heir: Resource) -> None:
    """From now on the heir is asked in the place of a resource."""
    with _opening:
        _heirs[_key(resource)] = heir


def _key(resource: Resource) -> object:
    return resource.name, resource.type, frozenset(resource.config.items())


@atexit.register
def close_all() -> None:
    """Lets each end what it started and nobody waited for; the next call begins anew."""
    with _opening:
        for process in _processes.values():
            process.close()
        _processes.clear()
