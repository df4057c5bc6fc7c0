"""Watches one job kernel from its order to its end: one loop over two sockets, a pipe, a process and the signals."""

from __future__ import annotations

import math
import socket
import time
from typing import Any

import zmq

from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.console import last_words
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.runner.cell_outputs import CellOutputs
from qhub_ext.runner.cells import Cells
from qhub_ext.runner.channels import Channels
from qhub_ext.runner.export import Export
from qhub_ext.runner.kernel import JobKernel
from qhub_ext.runner.memory_watch import MemoryWatch
from qhub_ext.runner.recording import NO_ROOM
from qhub_ext.runner.sighting import Sighting
from qhub_ext.runner.stopping import Grace, Signals, stop_of
from qhub_ext.runner.timings import Timings
from qhub_ext.runner.wire import Message
from qhub_ext.telemetry.recorder import Recorder as SpanRecorder

_FINISH = "__import__('sys').modules['qhub_ext.runner.jobkernel'].finish()"
_REST_WITHIN_MS = 1000
_IDLE_WITHIN_S = 5.0
_LEAVE_WITHIN_S = 5.0
_REPLY_WITHIN_S = 2.0
_NO_REPLY = {"status": "error", "ename": "KeyboardInterrupt", "evalue": ""}
"""An interrupt that meets the kernel just before or after the code of a cell ends the request, and nothing answers it."""


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
        self._folder, self._attempt, self._spec, self._kernel = folder, attempt, spec, kernel
        self._signals, self._journal, self._export = signals, journal, export
        self.notes: list[str] = []
        self.variables: tuple[str, ...] = ()
        self.timings = Timings(began, spans)
        self.cells = Cells(folder, spec)
        self.seen = Sighting(source=self.cells.current.source, cells=self.cells.total, script=spec.kind == "script")
        self._channels = Channels(kernel)
        self.outputs = CellOutputs(attempt, spec.output_limit_mb * 1024 * 1024, self.seen, self._channels.send)
        self._memory = MemoryWatch(kernel.pid, spec.memory_mb)
        self._grace = Grace()
        self._phase = "boot"
        self._request = ""
        self._started = self._busy = False
        self._idle_at: float | None = None
        self._done_at: float | None = None
        self._ready_at: float | None = None
        self._sent_at = began

    def run(self) -> None:
        self.tell("state", state=State.RUNNING.value)
        self.tell("phase", phase="node", text=socket.gethostname())
        self._kernel.order({"folder": str(self._folder.path), "attempt": self._attempt.number})
        poller = zmq.Poller()
        for source in (*self._channels.sockets, self._signals.fd, self._kernel.status_fd, self._kernel.pidfd):
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
                self.timings.kernel_bound(line["seconds"])
                self.timings.lap("boot_s", self.timings.began)
                self._channels.connect()
            elif kind == "ready":
                self.timings.scene_set(line["seconds"])
                self.notes += line["notes"]
                self._ready_at = time.monotonic()
            elif kind == "refused":
                if not line.get("interrupted"):
                    self.seen.refused = line
                    self.notes += ["\n".join(line["traceback"])] if line.get("traceback") else []
            elif kind == "cut":
                self.outputs.count_cut(line["bytes"])
            elif kind == "ended":
                self.seen.ended = line
            elif kind == "harvested":
                self.seen.harvested = True
                self.seen.disk_full |= bool(line.get("disk_full"))
                self.variables, self.notes = tuple(line["variables"]), self.notes + line["notes"]

    def _drain(self) -> None:
        """Everything that lies in the sockets, outputs first: a reply says that they are all sent."""
        for message in self._channels.outputs():
            if message.kind == "status":
                self._hear_kernel_state(message)
            else:
                self.outputs.hear(message, self.cells.of(message.parent_id), begun=self._started)
        for message in self._channels.replies():
            self._hear_reply(message)

    def _hear_kernel_state(self, message: Message) -> None:
        if self._phase == "cell" and self._request and message.parent_id == self._request:
            state = message.content.get("execution_state")
            self._busy |= state == "busy"
            self._started |= self._busy
            if state == "idle":
                self._idle_at = time.monotonic()

    def _hear_reply(self, message: Message) -> None:
        now = time.monotonic()
        if message.parent_id == self._request and self._phase == "cell":
            self._take_reply(now, message.content)
        elif self._phase == "harvest":
            self._leave(now)

    def _take_reply(self, now: float, reply: dict[str, Any]) -> None:
        self.seen.reply = reply
        self.cells.counts[self.cells.current.place] = reply.get("execution_count")
        self.timings.lap("execute_s", self._sent_at)
        self._done_at = now

    def _hear_signals(self) -> None:
        while self._signals.heard:
            name = self._signals.heard.pop(0)
            now = time.monotonic()
            if self.seen.stop is None:
                after_s = now - self.timings.began
                self.seen.stop = stop_of(self._folder, self._attempt.number, name, after_s)
                self._grace.begin(now, float(self._spec.grace_s))
            self._grace.interrupt_at = now

    def _hear_death(self) -> None:
        self._hear_status()
        if self._phase != "boot":
            self._channels.wait_for_rest(_REST_WITHIN_MS)
        self._drain()
        self._record_cell()
        self.timings.return_begins()
        self.seen.returncode = self._kernel.returncode
        self.seen.crash = self._kernel.crash_report()
        self.seen.oom_killed = self._memory.oom_killed
        self.seen.console = "" if self.seen.cell_begun else last_words(self._attempt)
        if self.seen.crash and self._phase != "leaving":
            self.notes.append(self.seen.crash)
        self._phase = "gone"

    # what is done

    def _advance(self, now: float) -> None:
        if now >= self._grace.ends_at and self._phase in ("boot", "cell", "harvest", "leaving"):
            self.seen.killed_at_deadline = self._phase in ("boot", "cell")
            self._kernel.kill()
            return
        if self._phase == "boot":
            if self.seen.stop is not None or self.seen.refused is not None:
                self._kernel.kill()
            elif self._ready_at is not None and (self._channels.subscribed or now - self._ready_at > 1.0):
                self._phase, self._sent_at = "cell", now
                self._begin_cell()
        elif self._phase == "cell":
            if self._done_at is not None and (self._idle_at is not None or now - self._done_at > _IDLE_WITHIN_S):
                self._end_cell()
            elif self._idle_at is not None and now - self._idle_at > _REPLY_WITHIN_S:
                self._take_reply(now, _NO_REPLY)
            elif self._may_interrupt and now >= self._grace.interrupt_at:
                self._kernel.interrupt()
                self._grace.interrupted(now, begun=self._busy)
        elif self._phase == "leaving" and self._done_at is not None and now - self._done_at > _LEAVE_WITHIN_S:
            self._kernel.kill()
        if now >= self._export.due_at:
            self._export.begin()
        if now >= self._memory.due_at and (used_mb := self._memory.look(now)) is not None:
            self.seen.memory_exceeded_mb = used_mb
            self._kernel.kill()

    @property
    def _may_interrupt(self) -> bool:
        return self._phase == "cell" and self._done_at is None and self._idle_at is None

    def _record_cell(self) -> None:
        self.timings.cell_ends(self.cells.current.number, recorded=self.seen.reply is not None)

    def _begin_cell(self) -> None:
        self.timings.cell_begins()
        cell = self.cells.take()
        self._done_at, self._idle_at, self._busy = None, None, False
        self.seen.begin(cell.number, cell.source)
        if self.seen.cells is not None:
            self.tell("phase", phase="node", text=f"cell {cell.number} of {self.seen.cells}")
        self._request = self._channels.send(
            "execute_request",
            {
                "code": cell.source,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": True,
            },
        )
        self.cells.sent_as(self._request)

    def _end_cell(self) -> None:
        """The next one, unless this one failed or somebody asked for the end."""
        self._hear_status()
        self._record_cell()
        reply = self.seen.reply or {}
        if self.cells.current.may_raise and reply.get("status") == "error" and self.seen.stop is None:
            self.seen.forgive()
        if self.cells.left and self.seen.stop is None and self.seen.reply and self.seen.reply.get("status") == "ok":
            self._begin_cell()
        else:
            self.seen.left = self.cells.left
            self._begin_harvest()

    def _begin_harvest(self) -> None:
        self._phase = "harvest"
        self.timings.return_begins()
        self.seen.cell_done = True
        self.tell("state", state=State.FINISHING.value)
        code = {"code": _FINISH, "silent": True, "store_history": False, "allow_stdin": False, "stop_on_error": False}
        self._channels.send("execute_request", {**code, "user_expressions": {}})

    def _leave(self, now: float) -> None:
        """The kernel ends by itself now, so that open files are flushed and exit handlers run."""
        self._phase, self._done_at = "leaving", now
        self._hear_status()
        if not self.seen.harvested:
            self.notes.append(
                "Variables did not come back: the cell left its Python in a state in which nothing can be written."
            )
        self._kernel.order({"leave": True})

    def _patience_ms(self) -> int:
        """How long the loop may sleep: until the next thing that must be done without being told."""
        now = time.monotonic()
        waits = [self._grace.ends_at, self._memory.due_at, self._export.due_at, now + 60]
        if self._may_interrupt:
            waits.append(self._grace.interrupt_at)
        ready_and_not_begun = self._phase == "boot" and self._ready_at is not None
        if ready_and_not_begun or (self._phase in ("cell", "leaving") and (self._done_at or self._idle_at) is not None):
            waits.append(now + 0.05)
        if self._kernel.pidfd < 0:
            waits.append(now + 0.2)
        return max(0, math.ceil((min(waits) - now) * 1000))

    def _close(self) -> None:
        self._kernel.close()
        self._channels.close()
        if note := self.outputs.finish():
            self.notes.append(note)
