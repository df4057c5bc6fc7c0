"""What an error that ended a cell says of itself: its place, its kinds, what it came from. Runs in the job kernel, where the error still is."""

from __future__ import annotations

import ast
import linecache
from types import TracebackType
from typing import Any

from qhub_ext.errors import QhubError

CHAIN = 5
"""So many errors behind the last one are told."""


def facts_of(error: BaseException, cell_files: str) -> dict[str, Any]:
    """`cell_files` is the folder in which the kernel pretends to keep cells.

    | name | what |
    |---|---|
    | line | the last line of the cell that the error passed through, counted from 1 |
    | kinds | its class and the bases of that, by name |
    | own | whether a `raise` or an `assert` of the cell's own made it |
    | within | file, line and function where it was made, when that is not the cell |
    | behind | the errors that it came from, the nearest first: kind, text, errno, told |
    """
    line = line_of(error, cell_files)
    facts: dict[str, Any] = {"line": line, "kinds": [kind.__name__ for kind in type(error).__mro__]}
    facts |= _own_words(error)
    if isinstance(error, SystemExit):
        facts["exit"] = 0 if error.code is None else error.code if isinstance(error.code, int) else 1
    if isinstance(error, ImportError):
        facts["module"] = error.name
    last = _last(error.__traceback__)
    if last is not None:
        code = last.tb_frame.f_code
        if code.co_filename.startswith(cell_files):
            facts["own"] = not isinstance(error, SyntaxError) and _raises(code.co_filename, last.tb_lineno)
        else:
            facts["within"] = {"file": code.co_filename, "line": last.tb_lineno, "function": code.co_name}
    behind = [{"kind": type(e).__name__, "text": str(e)[:400], **_own_words(e)} for e in _behind(error)]
    return facts | ({"behind": behind} if behind else {})


def line_of(error: BaseException, cell_files: str) -> int | None:
    """The last line of the cell that runs, counted from 1, that the error passed through."""
    if isinstance(error, SyntaxError) and error.lineno and (error.filename or "").startswith(cell_files):
        return error.lineno
    line, step, running = None, error.__traceback__, ""
    while step is not None:
        file = step.tb_frame.f_code.co_filename
        if not running and file.startswith(cell_files):
            running = file  # a function that an earlier cell of a notebook defined has a file of its own
        if running and file == running:
            line = step.tb_lineno
        step = step.tb_next
    return line


def _own_words(error: BaseException) -> dict[str, Any]:
    words: dict[str, Any] = {}
    if isinstance(error, OSError):
        words["errno"] = error.errno
    if isinstance(error, QhubError):  # it knows its cause better than a traceback does
        words["told"] = error.to_json() | {"transient": error.transient}
    return words


def _last(step: TracebackType | None) -> TracebackType | None:
    while step is not None and step.tb_next is not None:
        step = step.tb_next
    return step


def _behind(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    here: BaseException | None = error
    while here is not None and len(found) < CHAIN:
        here = here.__cause__ or (None if here.__suppress_context__ else here.__context__)
        if here is None or here is error or here in found:
            break
        found.append(here)
    return found


def _raises(file: str, line: int) -> bool:
    """The kernel gives the text of its cells, magics replaced, to linecache."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):  # such as a cell with `await` at its top
        return linecache.getline(file, line).strip().startswith(("raise ", "assert "))
    return any(
        isinstance(node, ast.Raise | ast.Assert) and node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in ast.walk(tree)
    )
