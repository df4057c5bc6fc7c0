"""`%qpu` and `qhub` without a verb."""

from __future__ import annotations

from typing import Any

from qhub_ext.display.tables import Page, Text
from qhub_ext.errors import DeviceError, PreflightError
from qhub_ext.tiers import catalog
from qhub_ext.verbs.jobs import jobs_table, summary_facts
from qhub_ext.verbs.surface import Surface

WHAT_NEXT_IN_A_NOTEBOOK = (
    "`%qpu use TIER --device NAME` chooses; `%%qpu` at the top of a cell submits it; `%qpu --help` lists the verbs."
)
WHAT_NEXT_IN_A_TERMINAL = (
    "`qhub run FILE.py --tier TIER --device NAME` submits a script; `qhub --help` lists the verbs; "
    "QHUB_TIER and QHUB_DEVICE hold for every command."
)


def _device_words(device: str) -> str:
    name = catalog.resolve(device)
    try:
        found = catalog.describe(name)
    except (DeviceError, PreflightError):  # one whose target was never asked for, or that takes no circuits
        return name
    return f"{name} ({found.qubits} qubits, snapshot of {found.snapshot_at:.10})"


def overview(surface: Surface) -> Any:
    chosen = surface.chosen()
    settings = surface.service.settings
    tier, device = chosen.get("tier") or settings.tier, chosen.get("device") or settings.device
    queue = surface.service.queue()
    waiting, running = sum(e.state.waiting for e in queue), sum(not e.state.waiting for e in queue)
    text = (
        f"Cells go to tier {tier}, device {_device_words(device)}, "
        f"through the site {settings.site_of(tier)!r}: {running} running, {waiting} waiting.\n"
        + (WHAT_NEXT_IN_A_TERMINAL if surface.namespace is None else WHAT_NEXT_IN_A_NOTEBOOK)
    )
    summaries = surface.service.jobs(limit=8)
    facts = {"tier": tier, "device": device, "site": settings.site_of(tier), "running": running, "waiting": waiting}
    return Page(
        [Text(text), jobs_table(summaries, title="Your latest jobs")],
        facts | {"jobs": [summary_facts(s) for s in summaries]},
    )
