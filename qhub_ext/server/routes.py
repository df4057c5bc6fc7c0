"""Every address below `<base_url>qhub_ext/`, and who answers there."""

from __future__ import annotations

import re

from qhub_ext.server import handlers as h
from qhub_ext.server.base import QhubHandler, UnknownPage
from qhub_ext.server.openapi import OpenApiHandler

ROUTES: tuple[tuple[str, type[QhubHandler]], ...] = (
    ("status", h.StatusHandler),
    ("devices", h.DevicesHandler),
    ("devices/{device}/calibration", h.CalibrationHandler),
    ("queue", h.QueueHandler),
    ("tasks", h.TasksHandler),
    ("jobs", h.JobsHandler),
    ("changes", h.ChangesHandler),
    ("jobs/{job}", h.JobHandler),
    ("jobs/{job}/events", h.EventsHandler),
    ("jobs/{job}/outputs", h.OutputsHandler),
    ("jobs/{job}/logs", h.LogsHandler),
    ("jobs/{job}/script", h.ScriptHandler),
    ("jobs/{job}/detail", h.DetailHandler),
    ("jobs/{job}/trace", h.TraceHandler),
    ("jobs/{job}/trace/figure", h.TraceFigureHandler),
    ("jobs/{job}/trace/beside/{other}", h.ComparisonHandler),
    ("jobs/{job}/explain", h.ExplainHandler),
    ("jobs/{job}/estimate", h.EstimateHandler),
    ("jobs/{job}/archive", h.ArchiveHandler),
    ("jobs/{job}/rerun", h.RerunHandler),
    ("jobs/{job}/{verb}", h.ActionHandler),
    ("actions", h.ActionsHandler),
    ("tutorials", h.TutorialsHandler),
    ("fleet", h.FleetHandler),
    ("doctor", h.DoctorHandler),
    ("openapi.json", OpenApiHandler),
)

_PARAMETERS = {"job": "([^/]+)", "other": "([^/]+)", "device": "([^/]+)", "verb": "(cancel|hold|release|requeue)"}


def handlers() -> list[tuple[str, type[QhubHandler]]]:
    """As tornado takes them; whatever else is asked for is not there."""
    return [
        *((f"/qhub_ext/{pattern(template)}", handler) for template, handler in ROUTES),
        ("/qhub_ext/.*", UnknownPage),
    ]


def pattern(template: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: _PARAMETERS[found[1]], template.replace(".", r"\."))
