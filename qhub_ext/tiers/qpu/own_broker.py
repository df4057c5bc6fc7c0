"""A broker of one user on this host: started by the first task that needs it, found again by all others, gone when it is idle.

Its ledger stays, so that one that was killed goes on where it was, as soon as anybody who waits for a task looks.
"""

from __future__ import annotations

from typing import Any

from qhub_ext.errors import QhubError
from qhub_ext.settings import BrokerSettings, current_settings
from qhub_ext.tiers.qpu.brokered import ask_broker
from qhub_ext.tiers.qpu.on_demand import OnDemand

LOOK_S = 10.0


def keep_up(settings: BrokerSettings | None = None) -> None:
    """Where the tier qpu goes through the user's own broker, it is up when this returns, and stays for a while. Raises DeviceError."""
    settings = settings or current_settings().broker
    if settings.own is not None:
        _server(settings).up()


def is_up(settings: BrokerSettings) -> bool:
    """Whether there is a broker to ask: a site's is there, or says itself why not; one's own may have nothing to do."""
    return settings.own is None or _running(settings, "/v1/status") is not None


def ask_if_up(settings: BrokerSettings, target: str) -> dict[str, Any] | None:
    """The answer of the broker that the tier qpu goes through; None where it goes through none, or one's own has nothing to do.

    Raises DeviceError for a site's broker that does not answer.
    """
    if settings.own is not None:
        return _running(settings, target)
    return None if settings.place is None else dict(ask_broker(settings.place, "GET", target))


def _server(settings: BrokerSettings) -> OnDemand[dict[str, Any]]:
    options = ["--directory", str(settings.directory), "--on-demand"]
    return OnDemand(
        "Your broker", settings.directory, "qhub_ext.broker", options, lambda: _running(settings, "/health")
    )


def _running(settings: BrokerSettings, target: str) -> dict[str, Any] | None:
    """A broker that is about to leave answers 503 to `/health`."""
    assert settings.own is not None
    try:
        return dict(ask_broker(settings.own, "GET", target, timeout_s=LOOK_S))
    except QhubError:
        return None
