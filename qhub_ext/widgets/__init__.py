"""Widgets for a notebook outside of JupyterLab's sidebar (Notebook 7, VS Code, Voila), and the calibration map everywhere.

    from qhub_ext.widgets import calibration_map, job_card, queue_table, tier_picker

Each widget draws what it is given and fetches nothing; these four functions ask the service and keep them up to date. Each has a
plain-text and an HTML form for terminals, nbconvert and GitHub. Imported only when somebody asks for one. Runs in the kernel.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qhub_ext.widgets.calibration import CalibrationMap
    from qhub_ext.widgets.card import JobCard
    from qhub_ext.widgets.live import calibration_map, job_card, queue_table, tier_picker
    from qhub_ext.widgets.picker import TierPicker
    from qhub_ext.widgets.site_queue import QueueTable

__all__ = [
    "CalibrationMap",
    "JobCard",
    "QueueTable",
    "TierPicker",
    "calibration_map",
    "job_card",
    "queue_table",
    "tier_picker",
]

_CLASSES = {
    "CalibrationMap": "qhub_ext.widgets.calibration",
    "JobCard": "qhub_ext.widgets.card",
    "QueueTable": "qhub_ext.widgets.site_queue",
    "TierPicker": "qhub_ext.widgets.picker",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_CLASSES.get(name, "qhub_ext.widgets.live")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
