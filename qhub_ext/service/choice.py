"""What the cells of this notebook use from now on: said by `%qpu use` or by a picker, checked here and nowhere else."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from qhub_ext.capture.keywords import CHOICES, request_from_json
from qhub_ext.capture.request import Request
from qhub_ext.errors import InvalidOptionError, QhubError
from qhub_ext.job import context
from qhub_ext.service.device_wish import settle_wish
from qhub_ext.service.job_device import resource_title
from qhub_ext.settings import Settings, current_settings
from qhub_ext.tiers import catalog
from qhub_ext.tiers.wishes import is_wish

Listener = Callable[[dict[str, Any]], None]


class Choice:
    """`told` is what somebody chose; what nobody chose is the settings' to say. `listeners` hear every change."""

    def __init__(self, settings: Callable[[], Settings] = current_settings) -> None:
        self._settings = settings
        self.told: dict[str, Any] = {}
        self.listeners: list[Listener] = []

    @property
    def chosen(self) -> dict[str, Any]:
        """What is in force: tier and device always, the rest where it was chosen."""
        settings = self._settings()
        return {"tier": settings.tier, "device": settings.device} | self.told

    def take(self, request: Request) -> None:
        """Raises a UserError for what cannot hold for a notebook, or what does not exist; nothing has changed then."""
        given = request.given
        ignored = sorted(set(given) - set(CHOICES))
        if ignored or len(request.tiers) > 1:
            raise InvalidOptionError(
                f"`use` does not take {', '.join(ignored) if ignored else 'several tiers'}.",
                advice=f"It chooses {', '.join(map(_word, CHOICES))}.",
            )
        self._replace(self.told | given)

    def take_json(self, wanted: Any) -> None:
        """The same from a front end: {"tier": "emulation", "device": "fez"}; null is the settings' own value again."""
        given = request_from_json(wanted).given
        self._replace({n: v for n, v in (self.told | given).items() if n in given or n not in wanted})

    def _replace(self, told: dict[str, Any]) -> None:
        settings = self._settings()
        if told.get("device") and is_wish(told["device"]):
            tier = told.get("tier", settings.tier)
            site = told.get("site", settings.site_of(tier))
            told["device"] = settle_wish(told["device"], tier, site, settings).name
        elif told.get("device"):
            told["device"] = catalog.resolve(told["device"])
        device = told.get("device", settings.device)
        resource_title(told.get("tier"), device, told.get("site", settings.site_of(told.get("tier"))), settings)
        self.told = told
        context.enter(
            context.ExecutionContext(
                tier="local",
                device=device,
                shots=told.get("shots", settings.shots),
                seed=told.get("seed"),
                site=told.get("site", settings.site),
                profile=told.get("profile", settings.profile),
            )
        )
        for listener in self.listeners:
            listener(self.chosen)

    def sentence(self) -> str:
        told = ", ".join(f"{_word(n)} {v}" for n, v in self.told.items())
        return f"%%qpu cells of this notebook use {told or 'the defaults'}; plain cells run here, on tier local."


def _word(name: str) -> str:
    return name.removesuffix("_s").removesuffix("_mb")


@lru_cache(maxsize=1)
def current_choice() -> Choice:
    """The one of this kernel. It begins with what the notebook's own file says.

    After a restart with "run all cells", those stand in the kernel's queue before any word of the front end.
    """
    choice = Choice()
    with contextlib.suppress(QhubError):  # the front end sends the same, and hears why it is refused
        choice.take_json(saved_choice(os.environ.get("JPY_SESSION_NAME", "")))
    return choice


def saved_choice(path: str) -> dict[str, Any]:
    """From the metadata of a notebook file: {"qhub": {"tier": "emulation", "device": "fez"}}; empty where it says nothing."""
    try:
        said = json.loads(Path(path).read_bytes())["metadata"]["qhub"] if path.endswith(".ipynb") else {}
        return {name: value for name, value in said.items() if name in CHOICES}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
