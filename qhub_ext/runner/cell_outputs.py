"""What a cell shows, from the kernel's messages into the records of the attempt, past the widgets that take some of it."""

from __future__ import annotations

from typing import Any

from qhub_ext.job.notebook import CodeCell
from qhub_ext.jobfolder.layout import AttemptFolder
from qhub_ext.jobfolder.outputs import KINDS
from qhub_ext.runner.allocation import give_half_back
from qhub_ext.runner.recording import Recorder
from qhub_ext.runner.sighting import Sighting
from qhub_ext.runner.verdict import words_at_exit
from qhub_ext.runner.widget_state import Send, WidgetStates
from qhub_ext.runner.wire import Message
from qhub_ext.telemetry.console import pass_on


class CellOutputs:
    """An error among them is noted in `seen`."""

    def __init__(self, attempt: AttemptFolder, limit: int, seen: Sighting, send: Send) -> None:
        self._attempt, self._seen = attempt, seen
        self._recorder = Recorder(attempt, limit)
        self.widgets = WidgetStates(send)

    def hear(self, message: Message, cell: CodeCell, *, begun: bool) -> None:
        if message.kind in ("comm_open", "comm_msg", "comm_close"):
            self.widgets.hear(message)
        elif message.kind in KINDS:
            fields = _fields(message)
            if not begun:  # what an import of the captured values prints is not the cell's output
                pass_on(fields.get("text", ""))
            elif not self.widgets.capture(message, {"kind": message.kind, **fields}):
                self._record(message.kind, fields, cell)

    def count_cut(self, size: int) -> None:
        """What the job kernel left out already."""
        self._recorder.count_cut(size)

    def finish(self) -> str:
        """Writes what was kept back. Returns a note for the outcome, "" where everything was kept."""
        if self._recorder.disk_full:
            give_half_back(self._attempt)
        self._recorder.finish()
        self._seen.disk_full |= self._recorder.disk_full
        self._seen.lost_bytes = self._recorder.lost_to_disk
        return self._recorder.cut_note

    def _record(self, kind: str, fields: dict[str, Any], cell: CodeCell) -> None:
        if kind == "error":
            if fields["ename"] == "SystemExit" and fields["evalue"] in ("", "0", "None"):
                return  # the ordinary end of a script
            self._seen.error = fields
            if fields["ename"] == "SystemExit" and self._seen.script:
                words = words_at_exit(fields["evalue"])
                if not words:
                    return
                kind, fields = "stream", {"name": "stderr", "text": f"{words}\n"}  # as Python does, without a traceback
        self._recorder.record(kind, fields if self._seen.cells is None else {**fields, "cell": cell.place})


def _fields(message: Message) -> dict[str, Any]:
    content = message.content
    if message.kind == "stream":
        return {"name": content.get("name", "stdout"), "text": content.get("text", "")}
    if message.kind == "error":
        return {name: content.get(name, "") for name in ("ename", "evalue", "traceback")}
    if message.kind == "clear_output":
        return {"wait": bool(content.get("wait"))}
    fields = {"data": content.get("data", {}), "metadata": content.get("metadata", {})}
    fields["display_id"] = (content.get("transient") or {}).get("display_id")
    if message.kind == "execute_result":
        fields["execution_count"] = content.get("execution_count")
    return fields
