"""Every address below `<base_url>qhub_ext/`, and who answers there."""

from __future__ import annotations

from qhub_ext.server import handlers as h
from qhub_ext.server.base import QhubHandler, UnknownPage

ROUTES: tuple[tuple[str, type[QhubHandler]], ...] = (
    ("status", h.StatusHandler),
    ("devices", h.DevicesHandler),
    ("devices/([^/]+)/calibration", h.CalibrationHandler),
    ("queue", h.QueueHandler),
    ("jobs", h.JobsHandler),
    ("changes", h.ChangesHandler),
    ("jobs/([^/]+)", h.JobHandler),
    ("jobs/([^/]+)/events", h.EventsHandler),
    ("jobs/([^/]+)/outputs", h.OutputsHandler),
    ("jobs/([^/]+)/logs", h.LogsHandler),
    ("jobs/([^/]+)/script", h.ScriptHandler),
    ("jobs/([^/]+)/detail", h.DetailHandler),
    ("jobs/([^/]+)/trace", h.TraceHandler),
    ("jobs/([^/]+)/explain", h.ExplainHandler),
    ("jobs/([^/]+)/archive", h.ArchiveHandler),
    ("jobs/([^/]+)/rerun", h.RerunHandler),
    ("jobs/([^/]+)/(cancel|hold|release|requeue)", h.ActionHandler),
    ("actions", h.ActionsHandler),
    ("doctor", h.DoctorHandler),
    (".*", UnknownPage),
)


def handlers() -> list[tuple[str, type[QhubHandler]]]:
    return [(f"/qhub_ext/{pattern}", handler) for pattern, handler in ROUTES]
