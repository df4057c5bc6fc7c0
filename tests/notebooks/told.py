"""What the outputs of a tutorial tell, without what is another in every execution: words, columns, the shapes of lines.

Numbers are left out: what they have to be is what each tutorial claims at its end, and every execution checks that.
"""

from __future__ import annotations

import re
import runpy

import nbformat

from tests.notebooks.execution import NOTEBOOKS

BY_CHANCE_TAG = "by-chance"
"""Of a cell whose lines every execution chooses anew, such as the qubits that drifted most: the heads of its tables stay."""

_A_TIME = r"(?<![\w.])[+−±-]?\d+(?:[.,]\d+)* ?(?:ms|µs|s|min|h|d)\b"
_AT = r"\d\d:\d\d(?::\d\d(?:\.\d+)?)?"
VARIES = (
    (re.compile(r"\{\s*'[01]+': \d+(?:,\s*'[01]+': \d+)*\}"), "<counts>"),
    (re.compile(r"(?<=: most of it, ).*"), "<part>"),
    (re.compile(r"(?<=was interrupted), and its process ended"), ""),  # cancelled before the kernel was there
    (re.compile(r"(?:…|(?<![\w.])/[\w.+-]+)/[\w.+/-]*"), "<path>"),
    (re.compile(rf"\b\d{{4}}-\d\d-\d\d(?:[T ]{_AT}(?:Z|[+-]\d\d:\d\d)?)?|\b{_AT}"), "<moment>"),
    (re.compile(rf"{_A_TIME}(?: {_A_TIME})*"), "<time>"),
    (re.compile(r"\b\d+(?:\.\d+)? [kKMGT]?i?B\b"), "<size>"),
    # the short id of a job has six signs of its alphabet, often without a digit; ids of tasks and digests are longer
    (re.compile(r"(?<![\w.,])(?:[0-9a-hjkmnp-tv-z]{6}|(?=[a-z]*\d)[0-9a-z]{7,}|[0-9a-f]{8,})(?!\w|[.,]\d)"), "<id>"),
    (re.compile(r"[+−±×-]?\d+(?:[.,]\d+)*(?:e[+-]?\d+)?"), "#"),
    (re.compile(r"[▏▎▍▌▋▊▉█]+|─+|·{3,}"), " "),
)
"""In the order in which it is taken out."""
RULE = re.compile(r"\s*─+(?: +─+)*\s*")

_runner = runpy.run_path(str(NOTEBOOKS / "run.py"))
for_readers, own_places = _runner["for_readers"], _runner["own_places"]


def shapes(text: str) -> set[str]:
    """Its lines, each once and in no order: what waited longest stands first, and that is another job each time."""
    for pattern, sign in VARIES:
        text = pattern.sub(sign, text)
    return {" ".join(line.split()) for line in text.splitlines()} - {""}


def heads(text: str) -> str:
    """Of its tables and timelines."""
    lines = text.splitlines()
    return "\n".join(a for a, b in zip(lines, [*lines[1:], ""], strict=True) if RULE.fullmatch(b) or "···" in a)


def stale(committed: nbformat.NotebookNode, executed: nbformat.NotebookNode) -> list[str]:
    """Where the file shows something else than the execution printed, a line each; empty where it may stay as it is."""
    found = []
    for at, (before, now) in enumerate(zip(committed.cells, executed.cells, strict=True)):
        if not before.get("outputs"):
            continue
        shown, printed = for_readers(before.outputs), for_readers(now.outputs)
        if [_kind(o) for o in shown] != [_kind(o) for o in printed]:
            found.append(f"cell {at} shows {[_kind(o) for o in shown]}, and printed {[_kind(o) for o in printed]}")
            continue
        taken = heads if BY_CHANCE_TAG in before.metadata.get("tags", []) else str
        for one, other in zip(shown, printed, strict=True):
            told, is_so = shapes(taken(_text(one))), shapes(taken(_text(other)))
            found += [f"cell {at} shows what is not printed: {line}" for line in sorted(told - is_so)]
            found += [f"cell {at} does not show: {line}" for line in sorted(is_so - told)]
    return found


def _kind(output: nbformat.NotebookNode) -> str:
    return str(output.get("name") or " and ".join(sorted(output.data)))


def _text(output: nbformat.NotebookNode) -> str:
    return str(output.get("text") or output.data.get("text/plain", ""))
