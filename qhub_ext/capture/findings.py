"""What is known of the names of a cell at one point of its text: read, bound, changed, and how surely."""

from __future__ import annotations

from collections.abc import Iterable

from qhub_ext.capture.scopes import Scope, within_function

_DYNAMIC = frozenset({"eval", "exec", "globals", "locals", "vars", "compile", "__import__"})


class Findings:
    """Sets of names of the module's scope, before anything is known about the notebook.

    `reads` when not surely bound; `uncertain` of them, when bound on some path; `missing`: read for sure, bound by nobody yet;
    `maybe`: bound on some path; `star`: a star import may have bound anything; `mentioned` in the text of a magic;
    `expanded`: read by nothing but `$name` and `{name}` of such text, which IPython leaves as it is where there is no value.
    """

    def __init__(self, provided: Iterable[str] = ()) -> None:
        self.reads: set[str] = set()
        self.firm: set[str] = set()
        self.missing: set[str] = set()
        self.writes: set[str] = set()
        self.mutates: set[str] = set()
        self.called_on: set[str] = set()
        self.deletes: set[str] = set()
        self.imports: set[str] = set()
        self.mentioned: set[str] = set()
        self.expanded: set[str] = set()
        self.dynamic: set[str] = set()
        self.maybe: set[str] = set()
        self.star = False
        self.bound: set[str] = set(provided)
        self.top = Scope("module")
        self.pending: dict[str, bool] = {}  # name -> nobody had bound it when the function was defined
        self.sure = True  # this code runs whenever the cell does
        self.closed = True  # no star import, exec or magic may have bound names that we cannot see
        self.in_text = False  # inside `$name` or `{name}` of a magic or a shell line
        self.partial = False  # inside an expression that may not be evaluated

    @property
    def uncertain(self) -> set[str]:
        return self.reads - self.firm

    def _home(self, name: str, scope: Scope) -> tuple[Scope, bool]:
        """The scope that a name belongs to, and whether a function lies between: its code runs later, if at all."""
        where, deferred = scope, False
        while where.parent is not None:
            if name in where.declared_global:
                return self.top, deferred or within_function(where)
            # the names of a class are seen by its own statements only, not by its methods
            if name in where.names and (where is scope or where.kind != "class"):
                return where, deferred
            deferred = deferred or where.kind == "function"
            where = where.parent
        return self.top, deferred

    def load(self, name: str, scope: Scope) -> None:
        home, deferred = self._home(name, scope)
        if home is not self.top:
            return
        if name in _DYNAMIC:
            self.dynamic.add(name)
            self.closed = self.closed and name not in {"exec", "eval", "globals"}
        if deferred and self.in_text:
            self._read(name, firm=False, now=False)
        elif deferred:
            self.pending[name] = self.pending.get(name, False) or name not in self.maybe
        else:
            self._read(name, firm=name not in self.maybe, now=True)

    def _read(self, name: str, *, firm: bool, now: bool) -> None:
        if name in self.bound:
            return
        if not self.in_text:
            self.expanded.discard(name)
        elif name not in self.reads:
            self.expanded.add(name)
        self.reads.add(name)
        if firm:
            self.firm.add(name)
            if now and self.sure and self.closed:
                self.missing.add(name)

    def bind(self, name: str, scope: Scope, *, surely: bool = True) -> None:
        target = scope
        while target.kind == "comprehension" and target.parent is not None:
            target = target.parent
        if target is not self.top and name not in target.declared_global:
            target.names.add(name)
            return
        self.writes.add(name)
        self.maybe.add(name)
        self.deletes.discard(name)
        if surely and not within_function(target):
            self.bound.add(name)

    def flush(self) -> None:
        """A call may happen here: what functions defined so far read, they read now."""
        pending, self.pending = self.pending, {}
        for name, firm in pending.items():
            self._read(name, firm=firm, now=False)

    def is_of_module(self, name: str, scope: Scope) -> bool:
        return self._home(name, scope)[0] is self.top
