"""What the text of a magic or a shell line says about names.

IPython turns `%timeit f(x)`, `!ls $folder` and `%%capture out` into calls of `get_ipython()` with the text as strings. Magics that
run Python are read as code, shell lines for their `$name` and `{expression}`, and of all others the words are noted.
"""

from __future__ import annotations

import ast
import re
import string
from dataclasses import dataclass
from typing import NamedTuple

_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
_DOLLAR = re.compile(r"(?<!\$)\$([A-Za-z_]\w*)")
_FLAG_OUTPUT = re.compile(r"--(?:out|err|proc)[= ]+([A-Za-z_]\w*)")

_RUNS_CODE = {
    "time": True,
    "timeit": False,
    "prun": True,
    "memit": False,
    "mprun": False,
    "lprun": False,
}  # True: binds names
_RUNS_CELL = {"capture": True, **_RUNS_CODE, "px": True}
_SHELL = frozenset(
    {"bash", "sh", "script", "!", "system", "sx", "cmd", "ruby", "perl", "html", "HTML", "svg", "SVG", "js"}
) | {
    "javascript",
    "latex",
    "markdown",
    "writefile",
    "file",
}
_BINDS_ANYTHING = frozenset(
    {"run", "pylab", "load", "store", "rerun", "recall", "macro", "reset", "xdel", "load_ext", "env"}
)


_FLAGS_WITH_VALUE = frozenset({"-n", "-r", "-p", "-s", "-l", "-T", "-D"})


class Spoken(NamedTuple):
    verb: str
    magic: str
    line: str
    body: str


@dataclass(frozen=True)
class Heard:
    """`code` runs as Python (and binds names here if `binds_code`), `first_line` lines below; `closed` is False where any name may have been bound."""

    code: tuple[str, ...] = ()
    binds_code: bool = True
    expressions: tuple[ast.expr, ...] = ()
    words: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    closed: bool = True
    first_line: int = 0


def read_call(node: ast.Call) -> Spoken | None:
    """A call of `get_ipython().run_line_magic` and its kin with constant text."""
    func = node.func
    if not (isinstance(func, ast.Attribute) and isinstance(func.value, ast.Call)):
        return None
    if not (isinstance(func.value.func, ast.Name) and func.value.func.id == "get_ipython"):
        return None
    texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if len(texts) != len(node.args):
        return None
    if func.attr == "run_line_magic" and len(texts) >= 2:
        return Spoken("line", texts[0], texts[1], "")
    if func.attr == "run_cell_magic" and len(texts) >= 3:
        return Spoken("cell", texts[0], texts[1], texts[2])
    if func.attr in {"system", "getoutput", "system_piped", "system_raw"} and texts:
        return Spoken("shell", "!", texts[0], "")
    return None


def understand(spoken: Spoken) -> Heard:
    expanded = _expanded(spoken.line)
    if spoken.verb == "shell":
        return Heard(expressions=expanded)
    if spoken.verb == "cell":
        return _cell_magic(spoken, expanded)
    if spoken.magic in _RUNS_CODE:
        return Heard((_without_flags(spoken.line),), _RUNS_CODE[spoken.magic], closed=True)
    if spoken.magic in {"system", "sx", "sc"}:
        return Heard(expressions=expanded)
    return Heard(expressions=expanded, words=_words(spoken.line), closed=spoken.magic not in _BINDS_ANYTHING)


def _cell_magic(spoken: Spoken, expanded: tuple[ast.expr, ...]) -> Heard:
    if spoken.magic in _RUNS_CELL:
        writes: frozenset[str] = frozenset()
        code, first_line = spoken.body, 1
        if spoken.magic == "capture":
            writes = frozenset(w for w in spoken.line.split() if w.isidentifier())
        elif spoken.magic in {"timeit", "prun"} and _without_flags(spoken.line):
            code, first_line = _without_flags(spoken.line) + "\n" + spoken.body, 0  # the line is the set-up
        return Heard((code,), _RUNS_CELL[spoken.magic], expanded, writes=writes, first_line=first_line)
    if spoken.magic in _SHELL:
        writes = frozenset(_FLAG_OUTPUT.findall(spoken.line))
        return Heard(expressions=expanded, writes=writes)
    return Heard(expressions=expanded, words=_words(spoken.line) | _words(spoken.body), closed=False)


def _without_flags(line: str) -> str:
    """`-n 10 -r3 -q f(x)` -> `f(x)`"""
    rest = line.strip()
    while rest.startswith("-"):
        flag, _, rest = rest.partition(" ")
        rest = rest.lstrip()
        if flag in _FLAGS_WITH_VALUE:
            _, _, rest = rest.partition(" ")
            rest = rest.lstrip()
    return rest


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text))


def _expanded(text: str) -> tuple[ast.expr, ...]:
    """The `$name` and `{expression}` that IPython replaces in a line before it runs."""
    found: list[ast.expr] = [ast.Name(name, ast.Load()) for name in _DOLLAR.findall(text)]
    try:
        fields = [f for _, f, _, _ in string.Formatter().parse(text) if f]
    except ValueError:
        return tuple(found)
    for source in fields:
        try:
            found.append(ast.parse(source.strip(), mode="eval").body)
        except (SyntaxError, ValueError):
            continue  # IPython leaves such text as it is
    return tuple(found)
