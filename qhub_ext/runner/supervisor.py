"""Watches one job kernel from its order to its end: one loop over two sockets, a pipe, a process and the signals."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from typing import Any

import zmq

from qhub_ext.job.notebook import CodeCell, code_cells, one_cell, source_of
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.console import last_words
from qhub_ext.jobfolder.journal import JournalWriter, read_all
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outputs import KINDS
from qhub_ext.runner.allocation import give_half_back, memory_headroom_mb, oom_kills
from qhub_ext.runner.export import Export
from qhub_ext.runner.kernel import JobKernel, proportional_mb, resident_mb
from qhub_ext.runner.recording import NO_ROOM, Recorder
from qhub_ext.runner.verdict import Sighting, Stop, words_at_exit
from qhub_ext.runner.widget_state import WidgetStates
from qhub_ext.runner.wire import Message, Wire
from qhub_ext.telemetry.console import pass_on
from qhub_ext.telemetry.recorder import Recorder as SpanRecorder

_FINISH = "__import__('sys').modules['qhub_ext.runner.jobkernel'].finish()"
_MEMORY_EVERY_S = 0.25
_REST_WITHIN_MS = 1000
_IDLE_WITHIN_S = 5.0
_LEAVE_WITHIN_S = 5.0


class Signals:
    """Requests to stop, remembered from the first moment on; `fd` becomes readable when one comes."""

    def __init__(self) -> None:
        self.fd, write = os.pipe()
        for fd in (self.fd, write):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        self.heard: list[str] = []
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            signal.signal(number, self._hear)

    def _hear(self, number: int, _frame: Any) -> None:
        self.heard.append(signal.Signals(number).name)

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)


@dataclass
class Timings:
    """Seconds of each phase, for `Outcome.timings_s`."""

    began: float
    parts: dict[str, float] = field(default_factory=dict)

    def lap(self, name: str, since: float) -> None:
        self.parts[name] = round(time.monotonic() - since, 4)


class Supervisor:
    """`run` returns when the kernel is gone and everything that it said is recorded."""

    def __init__(
        self,
        folder: JobFolder,
        attempt: AttemptFolder,
        spec: JobSpec,
        kernel: JobKernel,
        signals: Signals,
        journal: JournalWriter,
        began: float,
        spans: SpanRecorder,
        export: Export,
    ) -> None:
        self._spans, self._export = spans, export
        self._began_at = time.time() - (time.monotonic() - began)
        self._bound_at = self._cell_at = self._returning_at = None  # type: float | None
        self.notes: list[str] = []
        self.variables: tuple[str, ...] = ()
        self.timings = Timings(began)
        self.execution_counts: dict[int, int | None] = {}
        self._folder, self._attempt, self._spec, self._kernel = folder, attempt, spec, kernel
        self._signals, self._journal = signals, journal
        self._recorder = Recorder(attempt, spec.output_limit_mb * 1024 * 1024)
        whole = spec.kind == "notebook"
        self.notebook = read_json(folder.notebook) if whole else one_cell(folder.cell.read_text("utf-8"))
        self._cells = code_cells(self.notebook) if whole else [CodeCell(0, 1, source_of(self.notebook["cells"][0]))]
        self._coming = list(self._cells)
        self._cell = self._cells[0]
        self._requests: dict[str, CodeCell] = {}
        self.seen = Sighting(
            source=self._cell.source, cells=len(self._cells) if whole else None, script=spec.kind == "script"
        )
        self._wire = Wire(kernel.key)
        self._context = zmq.Context()
        self._shell = self._context.socket(zmq.DEALER)
        self._iopub = self._context.socket(zmq.SUB)
        for channel in (self._shell, self._iopub):
            channel.linger = 0
            channel.reconnect_ivl = 5
        self._gone = self._iopub.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.widgets = WidgetStates(self._send)
        self._phase = "boot"
        self._request = ""
        self._subscribed = self._started = self._idle = False
        self._done_at: float | None = None
        self._ready_at: float | None = None
        self._sent_at = began
        self._stop_at = self._deadline = self._interrupt_at = float("inf")
        self._interrupt_step = 1.0
        self._memory_at = 0.0 if spec.memory_mb is not None else float("inf")
        self._oom_before = oom_kills()

    def run(self) -> None:
        self.tell("state", state=State.RUNNING.value)
        self.tell("phase", phase="node", text=socket.gethostname())
        self._kernel.order({"folder": str(self._folder.path), "attempt": self._attempt.number})
        poller = zmq.Poller()
        for source in (self._shell, self._iopub, self._signals.fd, self._kernel.status_fd, self._kernel.pidfd):
            if source != -1:
                poller.register(source, zmq.POLLIN)
        self._hear_status()  # a warm kernel has said some of it already
        while self._phase != "gone":
            events = dict(poller.poll(self._patience_ms()))
            if self._signals.fd in events:
                self._signals.clear()
            self._hear_signals()
            if self._kernel.status_fd in events:
                self._hear_status()
            self._drain()
            self._advance(time.monotonic())
            if self._kernel.returncode is not None:
                self._hear_death()
        self._close()

    def tell(self, kind: str, **fields: Any) -> None:
        """A line in the runner's journal; a full disk costs the line and not the job."""
        try:
            self._journal.append(kind, attempt=self._attempt.number, **fields)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self.seen.disk_full = True

    # what is heard

    def _hear_status(self) -> None:
        for line in self._kernel.read_status():
            kind = line.pop("kind", "")
            if kind == "bound":
                self.timings.parts["kernel_s"] = round(line["seconds"], 4)
                self._bound_at = time.time()
                self._spans.add("start kernel", "start", self._began_at, self._bound_at)
                self._connect()
            elif kind == "ready":
                self.timings.parts["environment_s"] = round(line["seconds"], 4)
                self.notes += line["notes"]
                self._ready_at = time.monotonic()
                self._spans.add("set the scene", "environment", self._bound_at or self._began_at, time.time())
            elif kind == "refused":
                if not line.get("interrupted"):
                    self.seen.refused = line
                    self.notes += ["\n".join(line["traceback"])] if line.get("traceback") else []
            elif kind == "cut":
                self._recorder.count_cut(line["bytes"])
            elif kind == "ended":
                self.seen.ended = line
            elif kind == "harvested":
                self.seen.harvested = True
                self.seen.disk_full |= bool(line.get("disk_full"))
                self.variables, self.notes = tuple(line["variables"]), self.notes + line["notes"]

    def _connect(self) -> None:
        if self._subscribed is False and "boot_s" not in self.timings.parts:
            self.timings.lap("boot_s", self.timings.began)
            self._shell.connect(self._kernel.endpoint("shell"))
            self._iopub.subscribe(b"")
            self._iopub.connect(self._kernel.endpoint("iopub"))

    def _drain(self) -> None:
        """Everything that lies in the sockets, outputs first: a reply says that they are all sent."""
        while True:
            try:
                frames = self._iopub.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            self._subscribed = True
            message = self._wire.unpack(frames)
            if message is not None:
                self._hear_output(message)
        while True:
            try:
                frames = self._shell.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                break
            message = self._wire.unpack(frames)
            if message is not None and message.kind == "execute_reply":
                self._hear_reply(message)

    def _hear_output(self, message: Message) -> None:
        ours = bool(self._request) and message.parent_id == self._request
        cell = self._requests.get(message.parent_id, self._cell)
        if message.kind == "status" and ours and self._phase == "cell":
            state = message.content.get("execution_state")
            self._started |= state == "busy"
            self._idle |= state == "idle"
        elif message.kind in ("comm_open", "comm_msg", "comm_close"):
            self.widgets.hear(message)
        elif message.kind in KINDS:
            fields = _fields(message)
            if not self._started:  # what an import of the captured values prints is not the cell's output
                pass_on(fields.get("text", ""))
            elif not self.widgets.capture(message, {"kind": message.kind, **fields}):
                self._record(message.kind, fields, cell)

    def _record(self, kind: str, fields: dict[str, Any], cell: CodeCell) -> None:
        if kind == "error":
            if fields["ename"] == "SystemExit" and fields["evalue"] in ("", "0", "None"):
                return  # the ordinary end of a script
            self.seen.error = fields
            if fields["ename"] == "SystemExit" and self.seen.script:
                words = words_at_exit(fields["evalue"])
                if not words:
                    return
                kind, fields = "stream", {"name": "stderr", "text": f"{words}\n"}  # as Python does, without a traceback
        self._recorder.record(kind, fields if self.seen.cells is None else {**fields, "cell": cell.place})

    def _hear_reply(self, message: Message) -> None:
        now = time.monotonic()
        if message.parent_id == self._request and self._phase == "cell":
            self.seen.reply = message.content
            self.execution_counts[self._cell.place] = message.content.get("execution_count")
            self.timings.lap("execute_s", self._sent_at)
            self._done_at = now
        elif self._phase == "harvest":
            self._leave(now)

    def _hear_signals(self) -> None:
        while self._signals.heard:
            name = self._signals.heard.pop(0)
            now = time.monotonic()
            if self.seen.stop is None:
                after_s = now - self.timings.began
                self.seen.stop = Stop(self._why(), name, after_s, _time_up_s())
                grace = float(self._spec.grace_s)
                margin = max(grace * 0.2, min(2.0, grace / 2))
                self._stop_at, self._deadline = now, now + grace - margin
                self._interrupt_step = max((grace - margin) / 2, 0.25)
            self._interrupt_at = now

    def _why(self) -> str:
        """The site's own word, which it writes before it sends the signal."""
        why = ""
        for event in sorted(read_all(self._folder.journals), key=lambda e: e.get("at", 0.0)):
            if event.get("kind") == "stop" and event.get("attempt", self._attempt.number) == self._attempt.number:
                why = str(event.get("why", ""))
        return why

    def _hear_death(self) -> None:
        self._hear_status()
        if self._phase != "boot":
            # the connection ends when everything that the kernel had sent is here
            self._gone.poll(_REST_WITHIN_MS)
        self._drain()
        self._record_cell()
        self._returning_at = self._returning_at or time.time()
        self.seen.returncode = self._kernel.returncode
        self.seen.crash = self._kernel.crash_report()
        self.seen.oom_killed = oom_kills() > self._oom_before
        self.seen.console = "" if self.seen.cell_begun else last_words(self._attempt)
        if self.seen.crash and self._phase != "leaving":
            self.notes.append(self.seen.crash)
        self._phase = "gone"

    # what is done

    def _advance(self, now: float) -> None:
        if now >= self._deadline and self._phase in ("boot", "cell", "harvest", "leaving"):
            self.seen.killed_at_deadline = self._phase in ("boot", "cell")
            self._kernel.kill()
            return
        if self._phase == "boot":
            if self.seen.stop is not None or self.seen.refused is not None:
                self._kernel.kill()
            elif self._ready_at is not None and (self._subscribed or now - self._ready_at > 1.0):
                self._phase, self._sent_at = "cell", now
                self._begin_cell()
        elif self._phase == "cell":
            if self._done_at is not None and (self._idle or now - self._done_at > _IDLE_WITHIN_S):
                self._end_cell()
            elif now >= self._interrupt_at and self._done_at is None:
                self._kernel.interrupt()
                # again, for a cell that caught it and went on; late enough for a `finally` that takes its time
                self._interrupt_at = now + (self._interrupt_step if self._started else 0.2)
                self._interrupt_step = max(self._interrupt_step / 2, 0.25)
        elif self._phase == "leaving" and self._done_at is not None and now - self._done_at > _LEAVE_WITHIN_S:
            self._kernel.kill()
        if now >= self._export.due_at:
            self._export.begin()
        if now >= self._memory_at:
            self._memory_at = now + _MEMORY_EVERY_S
            self._watch_memory()

    def _record_cell(self) -> None:
        """What the kernel did not live to write: the cell, as it was seen from here."""
        if self._cell_at is not None and self.seen.reply is None:
            own = self._spans.root.below("cell", self._cell.number)
            self._spans.add("cell", "classical", self._cell_at, time.time(), own=own, qhub__cell__number=self._cell.number)  # fmt: skip
        self._cell_at = None

    def record_return(self) -> None:
        """From the end of the cell to here."""
        if self._returning_at is not None:
            self._spans.add("put away", "return", self._returning_at, time.time())

    def _begin_cell(self) -> None:
        self._cell_at = time.time()
        self._cell = self._coming.pop(0)
        self._done_at, self._idle = None, False
        self.seen.begin(self._cell.number, self._cell.source)
        if self.seen.cells is not None:
            self.tell("phase", phase="node", text=f"cell {self._cell.number} of {self.seen.cells}")
        self._request = self._send(
            "execute_request",
            {
                "code": self._cell.source,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            },
        )
        self._requests[self._request] = self._cell

    def _end_cell(self) -> None:
        """The next one, unless this one failed or somebody asked for the end."""
        self._hear_status()
        self._record_cell()
        reply = self.seen.reply or {}
        if self._cell.may_raise and reply.get("status") == "error" and self.seen.stop is None:
            self.seen.forgive()
        if self._coming and self.seen.stop is None and self.seen.reply and self.seen.reply.get("status") == "ok":
            self._begin_cell()
        else:
            self.seen.left = len(self._coming)
            self._begin_harvest()

    def _begin_harvest(self) -> None:
        self._phase = "harvest"
        self._returning_at = time.time()
        self.seen.cell_done = True
        self.tell("state", state=State.FINISHING.value)
        code = {"code": _FINISH, "silent": True, "store_history": False, "allow_stdin": False, "stop_on_error": False}
        self._send("execute_request", {**code, "user_expressions": {}})

    def _leave(self, now: float) -> None:
        """The kernel ends by itself now, so that open files are flushed and exit handlers run."""
        self._phase, self._done_at = "leaving", now
        self._hear_status()
        if not self.seen.harvested:
            self.notes.append(
                "Variables did not come back: the cell left its Python in a state in which nothing can be written."
            )
        self._kernel.order({"leave": True})

    def _watch_memory(self) -> None:
        limit = (self._spec.memory_mb or 0) + memory_headroom_mb()
        pid = self._kernel.pid
        if resident_mb(pid) > limit and (used := proportional_mb(pid)) > limit:
            self.seen.memory_exceeded_mb = used
            self._kernel.kill()

    def _send(self, kind: str, content: dict[str, Any]) -> str:
        identity, frames = self._wire.pack(kind, content)
        self._shell.send_multipart(frames)
        return identity

    def _patience_ms(self) -> int:
        """How long the loop may sleep: until the next thing that must be done without being told."""
        now = time.monotonic()
        waits = [self._deadline, self._interrupt_at, self._memory_at, self._export.due_at, now + 60]
        ready_and_not_begun = self._phase == "boot" and self._ready_at is not None
        if ready_and_not_begun or (self._phase in ("cell", "leaving") and self._done_at is not None):
            waits.append(now + 0.05)
        if self._kernel.pidfd < 0:
            waits.append(now + 0.2)
        return max(0, math.ceil((min(waits) - now) * 1000))

    def _close(self) -> None:
        self._kernel.close()
        self._iopub.disable_monitor()
        self._shell.close()
        self._iopub.close()
        self._context.destroy(linger=0)
        if self._recorder.disk_full:
            give_half_back(self._attempt)
        self._recorder.finish()
        self.seen.disk_full |= self._recorder.disk_full
        self.seen.lost_bytes = self._recorder.lost_to_disk
        if note := self._recorder.cut_note:
            self.notes.append(note)


def _time_up_s() -> float | None:
    """What the site told beforehand."""
    told = os.environ.get("QHUB_TIME_UP_S", "")
    return float(told) if told.isdigit() else None


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
