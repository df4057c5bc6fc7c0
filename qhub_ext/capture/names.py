"""Which names of the notebook a cell reads, and which it binds or changes.

The cell is read, not run. What is surely bound by the cell itself before it is read need not travel; whatever is in doubt does.
"""

from __future__ import annotations

import ast
import builtins
import types
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qhub_ext.capture.flow import follow
from qhub_ext.capture.scopes import stored_names
from qhub_ext.errors import CaptureError

# what a notebook's namespace holds for IPython's own purposes; every job kernel makes its own
_IPYTHON = frozenset({"In", "Out", "get_ipython", "exit", "quit", "display"})
KERNEL_NAMES = _IPYTHON | {
    "__name__",
    "__doc__",
    "__builtin__",
    "__builtins__",
    "__annotations__",
    "__file__",
    "__debug__",
}


@dataclass(frozen=True)
class Names:
    """`reads` are names of the notebook that must travel; `optional` is the part of them that the cell may turn out not to
    need (bound by itself on some path, or only mentioned in the text of a magic): no reason to refuse a cell.

    `missing` are names that no one has bound when the cell surely reads them; `doubtful` ones may be.
    `history` are names such as `_` or `Out`, which stay with the notebook.
    """

    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    mutates: frozenset[str] = frozenset()
    deletes: frozenset[str] = frozenset()
    imports: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    opaque: frozenset[str] = frozenset()
    dynamic: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    history: frozenset[str] = frozenset()
    syntax: str = field(default="python", compare=False)
    called: str = field(default="The cell", compare=False)

    @property
    def returns(self) -> frozenset[str]:
        """What a job brings back when nobody says otherwise: values that the cell binds or changes, not its imports."""
        return (self.writes | self.mutates) - self.imports

    @property
    def _itself(self) -> str:
        return "the cell" if self.called == "The cell" else self.called

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence per thing that reading the cell could not settle."""
        found = []
        if self.dynamic:
            found.append(
                f"{self.called} uses {_listed(self.dynamic)}, so that it may need names that cannot be seen in its text; "
                "name them with --in."
            )
        if self.history:
            verbs = ("belongs", "does") if len(self.history) == 1 else ("belong", "do")
            found.append(
                f"{_listed(self.history)} {verbs[0]} to this notebook's history and {verbs[1]} not travel; "
                "give the value a name of its own."
            )
        if self.missing:
            them = "it" if len(self.missing) == 1 else "them"
            found.append(f"{_listed(self.missing)} will not exist when {self._itself} reads {them}: a NameError.")
        if self.doubtful:
            are = "is" if len(self.doubtful) == 1 else "are"
            found.append(f"{_listed(self.doubtful)} {are} bound neither in the notebook nor surely in {self._itself}.")
        return tuple(found)


def analyse(
    cell: str, namespace: Mapping[str, Any], *, provided: Iterable[str] = (), called: str = "The cell"
) -> Names:
    """`provided` are names that the job binds before the cell starts, such as those of a sweep; `called` is what sentences call the text.

    Raises CaptureError for text that Python or IPython cannot read, with line and column.
    """
    tree, syntax = parse_cell(cell, called=called)
    found = follow(tree, provided, lambda text, first_line: parse_cell(text, first_line, called)[0])

    def present(name: str) -> bool:
        return name in namespace and travels(name, namespace[name])

    reads = {n for n in found.reads if present(n)}
    opaque = {n for n in found.mentioned if present(n)} - reads
    called_on = {n for n in found.called_on if present(n) and not isinstance(namespace[n], _CODE)}
    known = {*namespace, *provided, *KERNEL_NAMES, *found.maybe, *dir(builtins)}
    # after a star import nobody can say what is bound
    unknown = set() if found.star else {n for n in found.reads - found.expanded if n not in known and not is_history(n)}
    late = found.missing - {*namespace, *provided, *KERNEL_NAMES, *dir(builtins)}
    missing = {n for n in late if not is_history(n)}
    return Names(
        reads=frozenset(reads | opaque),
        writes=frozenset(found.writes),
        mutates=frozenset(({n for n in found.mutates if present(n)} | called_on) - found.writes),
        deletes=frozenset(found.deletes),
        imports=frozenset(found.imports),
        optional=frozenset((reads & found.uncertain) | opaque),
        opaque=frozenset(opaque),
        dynamic=frozenset(found.dynamic),
        missing=frozenset(missing),
        doubtful=frozenset(unknown - missing),
        history=frozenset(n for n in found.reads if is_history(n) and n not in found.maybe),
        syntax=syntax,
        called=called,
    )


def names_of_with(cell: str) -> set[str]:
    """Those that `with ... as NAME` binds. Raises CaptureError as `analyse` does."""
    tree = parse_cell(cell)[0]
    items = (node.optional_vars for node in ast.walk(tree) if isinstance(node, ast.withitem) and node.optional_vars)
    return {name for target in items for name in stored_names(target)}


_CODE = (types.ModuleType, type, types.FunctionType, types.BuiltinFunctionType)


def is_history(name: str) -> bool:
    """`_`, `__`, `_3`, `_i`, `_i12`, `_ih`, `_oh`, `_dh`, `In`, `Out`: IPython's memory of this notebook."""
    if name in {"In", "Out"}:
        return True
    if not name.startswith("_"):
        return False
    rest = name.lstrip("_")
    if not rest:
        return len(name) <= 3
    if name[1:2] == "_":
        return False
    return rest in {"i", "ii", "iii", "ih", "oh", "dh"} or rest.removeprefix("i").isdigit()


def travels(name: str, value: Any) -> bool:
    """False for what every kernel has anyway: IPython's own names and untouched builtins."""
    if name in KERNEL_NAMES or is_history(name):
        return False
    if name == "open" and str(getattr(value, "__module__", "")).startswith(("IPython", "_io", "io")):
        return False  # IPython puts a guarded `open` of its own into the namespace
    return not (hasattr(builtins, name) and getattr(builtins, name) is value)


def parse_cell(cell: str, first_line: int = 0, called: str = "The cell") -> tuple[ast.Module, str]:
    """The tree of a cell and its syntax, `python` or `ipython`.

    Text that is Python as it stands needs no transformation, because everything that IPython adds is an error in Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the job's kernel shows them, once
        try:
            return _checked(cell), "python"
        except SyntaxError:
            pass
        except (ValueError, RecursionError, MemoryError) as error:
            raise CaptureError(f"{called} cannot be read: {error}.") from error
        from IPython.core.inputtransformer2 import TransformerManager

        try:
            return _checked(TransformerManager().transform_cell(cell)), "ipython"
        except SyntaxError as error:
            raise _explain(error, cell, first_line, called) from error
        except (ValueError, RecursionError, MemoryError) as error:
            raise CaptureError(f"{called} cannot be read: {error}.") from error


def _checked(code: str) -> ast.Module:
    tree = ast.parse(code)
    # the parser lets `return` outside a function pass; the compiler does not
    compile(code, "<cell>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return tree


def _explain(error: SyntaxError, cell: str, first_line: int, called: str) -> CaptureError:
    lines = cell.splitlines()
    number = min(max(error.lineno or 1, 1), max(len(lines), 1))
    text = (lines[number - 1] if lines else "").strip()
    column = f", column {error.offset}" if error.offset else ""
    return CaptureError(
        f"{called} has a syntax error on line {first_line + number}{column}: {error.msg}: `{text[:120]}`.",
        advice="Nothing was submitted.",
    )


def _listed(names: Iterable[str]) -> str:
    quoted = [f"`{name}`" for name in sorted(names)]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
