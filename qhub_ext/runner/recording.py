"""Outputs into `outputs.jsonl` as they come, within the job's limit, and into the sealed notebook at the end."""

from __future__ import annotations

import errno
import json
from collections import deque
from collections.abc import Callable
from typing import Any

from qhub_ext.job.notebook import Notebook, executed
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.journal import JournalWriter
from qhub_ext.jobfolder.layout import AttemptFolder
from qhub_ext.jobfolder.outputs import OutputFold, read_messages, sound

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Recorder:
    """The first three quarters of the limit go to the file at once; of the rest the last quarter is kept, and written at
    the end. What lay between is counted, and a notice says how much it was.
    """

    def __init__(self, attempt: AttemptFolder, limit: int) -> None:
        self._attempt = attempt
        self._limit = limit
        self._head = limit * 3 // 4
        self._journal = JournalWriter(attempt.outputs)
        self._written = 0
        self._tail: deque[tuple[int, str, dict[str, Any]]] = deque()
        self._tail_size = 0
        self._tail_room = max(limit - self._head, 65536)
        self._cut = 0
        self._over = False
        self._cell: int | None = None
        self.lost_to_disk = 0
        self.disk_full = False

    def record(self, kind: str, fields: dict[str, Any]) -> None:
        self._cell = fields.get("cell")
        size = _size(fields)
        if not self._over and self._written + size <= self._head and not self.disk_full:
            self._write(kind, fields, size)
            return
        if kind == "stream" and not self._over and not self.disk_full:
            room = self._head - self._written
            self._write(kind, {**fields, "text": fields["text"][:room]}, room)
            fields = {**fields, "text": fields["text"][room:]}
            size = _size(fields)
        if not self._over and not self.disk_full:
            self._over = True
            self._notice(
                f"[The rest of the output comes when the cell has ended; of more than {_mib(self._limit)} in all, the middle is cut.]\n",
                self._cell,
            )
        self._keep(kind, fields, size)

    def count_cut(self, size: int) -> None:
        """What the job kernel left out already."""
        self._cut += size

    @property
    def cut_note(self) -> str:
        """For the outcome; "" where everything was kept."""
        return (
            f"{_mib(self._cut)} of output were cut: the limit is {_mib(self._limit)} (limits.output_mb)."
            if self._cut
            else ""
        )

    def finish(self) -> None:
        """Writes the end of the output, and what was cut before it."""
        if self.disk_full:
            self.disk_full = False  # somebody may have made room meanwhile
        if self._cut:
            cell = self._tail[0][2].get("cell") if self._tail else self._cell
            self._notice(f"[{_mib(self._cut)} of output were cut here: the limit is {_mib(self._limit)}.]\n", cell)
        while self._tail and not self.disk_full:
            size, kind, fields = self._tail.popleft()
            self._write(kind, fields, size)
        self.lost_to_disk += sum(size for size, _, _ in self._tail)
        self._tail.clear()
        self._journal.close()

    def _keep(self, kind: str, fields: dict[str, Any], size: int) -> None:
        """Into the tail, whose oldest part makes room; an error is never dropped."""
        self._tail.append((size, kind, fields))
        self._tail_size += size
        while self._tail_size > self._tail_room and (len(self._tail) > 1 or kind == "stream"):
            size, kind, fields = self._tail.popleft()
            dropped = size
            if kind == "stream":
                dropped = min(size, self._tail_size - self._tail_room)
                if dropped < size:
                    self._tail.appendleft((size - dropped, kind, {**fields, "text": fields["text"][dropped:]}))
            self._tail_size -= dropped
            self._cut += dropped

    def _notice(self, text: str, cell: int | None) -> None:
        place = {} if cell is None else {"cell": cell}
        self._write("stream", {"name": "stderr", "text": text, **place}, len(text))

    def _write(self, kind: str, fields: dict[str, Any], size: int) -> None:
        try:
            self._journal.append(kind, **fields)
            self._written += size
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self.disk_full = True
            self._journal.close()
            self._journal = JournalWriter(self._attempt.outputs)  # carries on behind the torn line
            self._keep(kind, fields, size)


def _size(fields: dict[str, Any]) -> int:
    if "text" in fields:
        return len(fields["text"])
    return len(json.dumps(fields, default=str))


def _mib(size: int) -> str:
    return f"{size / 1048576:.0f} MiB" if size >= 10 * 1048576 else f"{size / 1048576:.1f} MiB"


def seal_notebook(
    attempt: AttemptFolder,
    notebook: Notebook,
    counts: dict[int, int | None],
    metadata: dict[str, Any],
    widgets: dict[str, Any] | None,
) -> None:
    """The notebook with the outputs and execution counts of its cells. Raises OSError when there is no room."""
    if widgets:
        metadata = {**metadata, "widgets": {"application/vnd.jupyter.widget-state+json": widgets}}
    fold = OutputFold()
    for message in read_messages(attempt):
        fold.add(message)
    sealed = executed(notebook, fold.by_cell(), counts, metadata)
    write_beside(attempt.notebook, json.dumps(sound(sealed), ensure_ascii=False, indent=1).encode())


def out_of_room(action: Callable[[], Any]) -> OSError | None:
    """Does it; returns the error when the disk has no room for it."""
    try:
        action()
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return error
    return None
