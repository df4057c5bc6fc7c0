"""What a cell printed and displayed: the messages of `outputs.jsonl`, folded into nbformat v4 outputs or plain text.

One line per message, in the order in which they came; `kind` is the message type and the fields are its content:

    {"seq": 1, "at": 1790000000.1, "kind": "stream", "name": "stdout", "text": "hello\\n"}
    {"seq": 2, "at": ..., "kind": "display_data", "data": {...}, "metadata": {...}, "display_id": "a1"}

| kind | fields |
|---|---|
| stream | name (stdout, stderr), text |
| display_data, update_display_data | data, metadata, display_id or None |
| execute_result | data, metadata, execution_count, display_id or None |
| error | ename, evalue, traceback |
| clear_output | wait |

Of a notebook each also has `cell`, the place of its cell among all cells, from 0 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypedDict

from qhub_ext.errors import JobFolderError
from qhub_ext.job.kinds import sift
from qhub_ext.jobfolder.atomic import read_json_or_none
from qhub_ext.jobfolder.journal import parse_line, read_journal
from qhub_ext.jobfolder.layout import AttemptFolder

Message = dict[str, Any]
Output = dict[str, Any]

KINDS = frozenset({"stream", "display_data", "update_display_data", "execute_result", "error", "clear_output"})

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LONE = re.compile("[\ud800-\udfff]")


class _Shape(TypedDict, total=False):
    name: str
    text: str
    data: dict[str, Any]
    metadata: dict[str, Any]
    display_id: str | None
    ename: str
    evalue: str
    traceback: list[str]


class _CellFold:
    """The outputs of one cell. `displays` are those of all cells: an update reaches every one with its id."""

    def __init__(self, displays: dict[str, list[Output]]) -> None:
        self._parts: list[tuple[Output, list[str] | None]] = []
        self._displays = displays
        self._clear_pending = False

    def add(self, message: Message) -> None:
        kind = message.get("kind")
        if kind not in KINDS:
            return
        if kind == "clear_output":
            if message.get("wait"):
                self._clear_pending = True
            else:
                self._clear()
            return
        if kind == "update_display_data":
            message = sift(message, _Shape)[0]
            for shown in self._displays.get(message.get("display_id") or "", ()):
                shown["data"], shown["metadata"] = message.get("data", {}), message.get("metadata", {})
            return
        if self._clear_pending:
            self._clear()
        message = sift(message, _Shape)[0]
        if kind == "stream":
            self._stream(str(message.get("name", "stdout")), str(message.get("text", "")))
        elif kind == "error":
            fields = {name: message.get(name, "") for name in ("ename", "evalue")}
            self._parts.append(({"output_type": "error", **fields, "traceback": message.get("traceback", [])}, None))
        else:
            self._display(kind, message)

    def outputs(self) -> list[Output]:
        return [output if text is None else {**output, "text": "".join(text)} for output, text in self._parts]

    def _clear(self) -> None:
        mine = {id(output) for output, _ in self._parts}
        for shown in self._displays.values():
            shown[:] = [output for output in shown if id(output) not in mine]
        self._parts.clear()
        self._clear_pending = False

    def _stream(self, name: str, text: str) -> None:
        if self._parts:
            last, pieces = self._parts[-1]
            if pieces is not None and last["name"] == name:
                pieces.append(text)
                return
        self._parts.append(({"output_type": "stream", "name": name}, [text]))

    def _display(self, kind: str, message: Message) -> None:
        output: Output = {
            "output_type": kind,
            "data": message.get("data", {}),
            "metadata": message.get("metadata", {}),
        }
        if kind == "execute_result":
            output["execution_count"] = message.get("execution_count")
        if message.get("display_id"):
            self._displays.setdefault(message["display_id"], []).append(output)
        self._parts.append((output, None))


class OutputFold:
    """Messages in, outputs out, exactly as a notebook front end would keep them: each cell has its own."""

    def __init__(self) -> None:
        self._cells: dict[int, _CellFold] = {}
        self._displays: dict[str, list[Output]] = {}

    def add(self, message: Message) -> None:
        place = message.get("cell", 0)
        if place not in self._cells:
            self._cells[place] = _CellFold(self._displays)
        self._cells[place].add(message)

    def outputs(self) -> list[Output]:
        """nbformat v4 outputs, one cell after the other; the text of a stream is one string."""
        return [output for place in sorted(self._cells) for output in self._cells[place].outputs()]

    def by_cell(self) -> dict[int, list[Output]]:
        return {place: cell.outputs() for place, cell in self._cells.items()}


def fold_outputs(messages: Iterable[Message]) -> list[Output]:
    fold = OutputFold()
    for message in messages:
        fold.add(message)
    return [sound(output) for output in fold.outputs()]


def read_messages(attempt: AttemptFolder, after: int = 0) -> Iterator[Message]:
    """The messages with a sequence number over `after`; none when nothing came yet."""
    try:
        yield from read_journal(attempt.outputs, after)
    except FileNotFoundError:
        return


def read_outputs(attempt: AttemptFolder) -> list[Output]:
    """The outputs so far, while the cell runs and after."""
    return fold_outputs(read_messages(attempt))


def read_notebook(attempt: AttemptFolder) -> dict[str, Any] | None:
    """The sealed notebook; None until the attempt ended, or when the disk had no room for it."""
    try:
        found = read_json_or_none(attempt.notebook)
    except JobFolderError:
        return None
    return found if isinstance(found, dict) else None


def read_text(attempt: AttemptFolder) -> str:
    """All outputs as a terminal would show them: streams as they are, the text form of displays, tracebacks."""
    return "".join(text_of(output) for output in read_outputs(attempt))


def text_of(output: Output) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return str(output["text"])
    if kind == "error":
        lines = output.get("traceback") or [f"{output.get('ename')}: {output.get('evalue')}"]
        return "\n".join(lines) + "\n"
    return _text_of_bundle(output.get("data", {})) + "\n"


def text_of_message(message: Message) -> str:
    """One message by itself, for a log that is followed: updates are shown as new lines, a clearing shows nothing."""
    kind = message.get("kind")
    if kind == "stream":
        return str(message.get("text", ""))
    if kind == "clear_output" or kind not in KINDS:
        return ""
    return text_of({**sift(message, _Shape)[0], "output_type": "error" if kind == "error" else "display_data"})


def without_colours(text: str) -> str:
    return _ANSI.sub("", text)


class OutputReader:
    """For `logs --follow`: each `read_new` gives the messages that came since the last one, in one pass over new bytes."""

    def __init__(self, attempt: AttemptFolder, after: int = 0) -> None:
        self._path = attempt.outputs
        self._offset = 0
        self.seq = after

    def read_new(self) -> list[Message]:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        whole, newline, _torn = data.rpartition(b"\n")
        if not newline:  # a line that is still being written is read next time
            return []
        self._offset += len(whole) + 1
        found = []
        for line in whole.split(b"\n"):
            message = parse_line(line)
            if message is not None and message.get("seq", 0) > self.seq:
                self.seq = message["seq"]
                found.append(message)
        return found


def sound(value: Any) -> Any:
    """The same JSON value without lone surrogates, which Python strings can hold and UTF-8 files cannot."""
    if isinstance(value, str):
        return _LONE.sub("\ufffd", value) if _LONE.search(value) else value
    if isinstance(value, list):
        return [sound(item) for item in value]
    if isinstance(value, dict):
        return {key: sound(item) for key, item in value.items()}
    return value


def _text_of_bundle(data: dict[str, Any]) -> str:
    for mime in ("text/plain", "text/markdown", "text/latex"):
        if mime in data:
            text = data[mime]
            return "".join(text) if isinstance(text, list) else str(text)
    return f"[{', '.join(sorted(data)) or 'nothing'}]"
