"""The imports that a cell begins with, begun before the cell: the same modules in the same order, only sooner.

Only packages that are slow to import and do nothing else when they are. A cell that does anything before its imports (sets
an environment variable, say) is left to itself from there on.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder
from typing import Any

SLOW = frozenset({"numpy", "scipy", "pandas", "qiskit", "qiskit_aer", "qiskit_ibm_runtime", "qhub_ext"})
_OURS = __name__.partition(".")[0]
_PRIMITIVES = {"Sampler", "Estimator", "backend"}  # what the front door of qhub_ext looks up when it is asked


def first_imports(cell: str, beside: Sequence[str]) -> list[str]:
    """Full names of modules, in order; none of a cell that is not plain Python, nor from a module of the folders `beside` on."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the cell itself will say it
            body = ast.parse(cell).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found: list[str] = []
    for statement in body:
        if isinstance(statement, ast.Import):
            names = [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            names = [statement.module]
            if statement.module == "qhub_ext" and _PRIMITIVES & {alias.name for alias in statement.names}:
                names = ["qhub_ext.primitives"]
        elif isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        else:
            break
        for name in names:
            package = name.partition(".")[0]
            known = package in SLOW or package in sys.stdlib_module_names
            loaded = package == _OURS  # by this very process, so that no folder beside can stand before it
            if not known or (not loaded and PathFinder.find_spec(package, beside) is not None):
                return found  # what it does, nobody knows: the order stays
            if package in SLOW:
                found.append(name)
    return found


@contextlib.contextmanager
def without_a_word() -> Iterator[list[warnings.WarningMessage]]:
    """Warnings of the time being, to be shown later; their filters are left alone, for modules set some."""
    heard: list[warnings.WarningMessage] = []

    def keep(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
        heard.append(warnings.WarningMessage(message, category, filename, lineno, file, line))

    show, warnings.showwarning = warnings.showwarning, keep
    try:
        yield heard
    finally:
        if warnings.showwarning is keep:
            warnings.showwarning = show


def import_ahead(names: list[str]) -> list[str]:
    """A warm kernel's own preparation; returns what failed. It fails again, and audibly, in the cell that needs it."""
    from importlib import import_module

    failed = []
    for name in names:
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 - a module may raise anything
            failed.append(f"{name} cannot be imported: {type(error).__name__}: {error}")
    return failed
