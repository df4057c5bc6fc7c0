"""Functions of a notebook that are handed to processes which are spawned: these begin with modules only, fail, and their pool waits for ever."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from types import FunctionType
from typing import Any

from qhub_ext.capture.names import parse_cell

_SPAWNS = re.compile(r"""["'](spawn|forkserver)["']""")


def not_found(cell: str, going: Collection[str], namespace: Mapping[str, Any]) -> list[str]:
    """A sentence about each, where the cell names such a way to start processes. `going` are the names that go along."""
    if not _SPAWNS.search(cell):
        return []
    tree = parse_cell(cell)[0]
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    own |= {name for name in going if _of_notebook(namespace.get(name))}
    handed = sorted({name for name in _handed(tree) if name in own})
    return [
        f"`{name}` is defined in a notebook, where a process that is spawned does not find it, and a pool of them waits for ever. "
        'Put it into a module and import it, or start processes by multiprocessing.get_context("fork").'
        for name in handed
    ]


def _of_notebook(value: Any) -> bool:
    return isinstance(value, FunctionType) and value.__module__ == "__main__"


def _handed(tree: ast.AST) -> Iterator[str]:
    """The names that a method such as `pool.map` or `executor.submit` is given, or a `Process(target=...)`."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute | ast.Name):
            given = [*(call.args[:1] if isinstance(call.func, ast.Attribute) else ()), *(k.value for k in call.keywords if k.arg in ("target", "func", "initializer"))]  # fmt: skip
            yield from (value.id for value in given if isinstance(value, ast.Name))
