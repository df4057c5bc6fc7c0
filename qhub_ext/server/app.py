"""The extension application: builds what the handlers need, and ends it with the server.

`qhub_ext.service` (and pydantic with it) is imported by the first request that needs it, not at the start of the server.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jupyter_server.extension.application import ExtensionApp

from qhub_ext.server.desk import Desk
from qhub_ext.server.logs import write_json_lines
from qhub_ext.server.metrics import JobMetrics
from qhub_ext.server.monitor import HINT
from qhub_ext.server.routes import handlers
from qhub_ext.telemetry.console import wanted


class QhubExtApp(ExtensionApp):
    name = "qhub_ext"
    open_browser = False

    def initialize_settings(self) -> None:
        assert self.serverapp is not None
        assert self.serverapp.event_logger is not None
        self.serverapp.event_logger.register_event_schema(Path(__file__).parent / "events" / "hint.yaml")
        if wanted(os.environ):
            self.write_json_lines()
        self.desk = Desk(Path(self.serverapp.root_dir).expanduser(), self.emit, self.log, self.write_json_lines)
        self.settings["qhub_desk"] = self.desk
        self.metrics = JobMetrics(self.desk.monitor, self.desk.service, self.log)
        self.metrics.register()

    def initialize_handlers(self) -> None:
        self.handlers.extend(handlers())

    def emit(self, hint: dict[str, Any]) -> None:
        assert self.serverapp is not None
        assert self.serverapp.event_logger is not None
        self.serverapp.event_logger.emit(schema_id=HINT, data=hint)

    def write_json_lines(self) -> None:
        for app in (self.serverapp, self):
            assert app is not None
            write_json_lines(app)

    async def stop_extension(self) -> None:
        self.metrics.close()
        await self.desk.close()
