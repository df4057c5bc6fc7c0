"""The devices of a broker, each with its thread: those that it was started for and, on demand, those that its user's tasks name."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.dispatch import DeviceThread
from qhub_ext.broker.refusals import NotAllowedError
from qhub_ext.errors import QhubError
from qhub_ext.settings import Settings
from qhub_ext.tiers import catalog
from qhub_ext.tiers.qpu.resources import Resource, resource_for
from qhub_ext.tiers.qpu.virtual import running_resource, virtual_resource

log = logging.getLogger(__name__)


class Devices(Mapping[str, DeviceThread]):
    def __init__(self, desk: Desk, settings: Settings, resources: Sequence[Resource], *, on_demand: bool) -> None:
        self._desk, self._settings, self._on_demand = desk, settings, on_demand
        self._threads: dict[str, DeviceThread] = {}
        for resource in resources:
            self._begin(resource)
        if on_demand:
            for device in desk.wanted():  # by tasks that the broker before had left
                try:
                    self.take(device)
                except QhubError as error:
                    log.warning("%s: %s", device, error.message)

    def __getitem__(self, device: str) -> DeviceThread:
        return self._threads[device]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._threads))

    def __len__(self) -> int:
        return len(self._threads)

    def take(self, name: str) -> DeviceThread:
        """A device that the broker has not yet: what the settings name for it, else a virtual one where the site lets that stand in. Raises
        NotAllowedError, UnknownNameError, DeviceError.
        """
        if not self._on_demand:
            raise NotAllowedError(f"This broker serves the devices that it was started for: {', '.join(self._desk.devices)}.", advice="Its operator starts it with more of them.")  # fmt: skip
        resource = resource_for(name, self._settings.qpu)
        if resource is None:
            device = catalog.resolve(name)
            if not self._settings.qpu.virtual_at(self._settings.site_of("qpu")):
                raise NotAllowedError(f"No quantum resource stands for {device}, and the setting qpu.virtual lets no virtual one stand in.")  # fmt: skip
            resource = virtual_resource(device, self._settings.qpu)
        with self._desk.changed:
            if resource.device not in self._threads:
                self._desk.take(resource.device)
                self._begin(resource).start()
            return self._threads[resource.device]

    def start(self) -> None:
        for thread in self._threads.values():
            if not thread.begun:
                thread.start()

    def join(self, timeout_s: float) -> None:
        for thread in self._threads.values():
            thread.join(timeout_s)

    def _begin(self, resource: Resource) -> DeviceThread:
        thread = DeviceThread(self._desk, resource, self._settings.qpu, lambda: self._again(resource))
        self._threads[resource.device] = thread
        return thread

    def _again(self, resource: Resource) -> Resource | None:
        """Where a virtual QPU is now that stopped answering; it leaves when nobody needs it, and another has another address."""
        if not resource.virtual:
            return None
        try:
            find = virtual_resource if self._on_demand else running_resource
            return find(resource.device, self._settings.qpu)
        except QhubError as error:
            log.warning("%s: %s", resource.device, error.message)
            return None
