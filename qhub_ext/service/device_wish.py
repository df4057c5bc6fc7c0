"""`--device "qubits>=100, least busy"`: which devices a tier has here, and how busy they are, so that the best one can be chosen."""

from __future__ import annotations

from urllib.parse import quote

from qhub_ext.errors import QhubError
from qhub_ext.service.job_device import resource_title
from qhub_ext.settings import Settings
from qhub_ext.tiers import catalog
from qhub_ext.tiers.qpu.brokered import ask_broker
from qhub_ext.tiers.wishes import LEAST_BUSY, Choice, choose


def settle_wish(text: str, tier: str | None, site: str, settings: Settings) -> Choice:
    """Raises InvalidOptionError, UnknownNameError, and what a broker says that cannot be asked."""
    devices = catalog.list_devices(settings.cache)
    if tier != "qpu":
        return choose(text, devices)
    waiting: dict[str, int] | None = None
    if settings.broker.shared is not None:  # it knows what waits where, and its word counts
        found = ask_broker(settings.broker.shared, "GET", f"/v1/choice?wish={quote(text)}")
        return Choice(found["device"], found["why"])
    if LEAST_BUSY in " ".join(text.lower().split()):
        from qhub_ext.service.resources import list_states

        waiting = {s.device: s.queue or 0 for s in list_states(settings.qpu, ask=True) if not s.trouble}
    return choose(text, [d for d in devices if _open(d.name, site, settings)], waiting)


def _open(device: str, site: str, settings: Settings) -> bool:
    try:
        resource_title("qpu", device, site, settings)
    except QhubError:
        return False
    return True
