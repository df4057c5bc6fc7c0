"""Follows the names of a cell from its first statement to its last, scope by scope, as Python would resolve them.

Straight-line code of the top level is followed in order, so that `x = 1; print(x)` does not read `x`. Branches, loops and
`try` keep only what holds on every path. The body of a function runs later: its names count as read at the next statement
that could call it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from qhub_ext.capture.expressions import EXPRESSIONS
from qhub_ext.capture.findings import Findings
from qhub_ext.capture.inert import is_inert
from qhub_ext.capture.scopes import Scope
from qhub_ext.capture.statements import STATEMENTS

ParseCell = Callable[[str, int], ast.Module]


def follow(tree: ast.Module, provided: Iterable[str], parse_cell: ParseCell) -> Findings:
    """`provided` are bound before the cell begins; `parse_cell` reads code inside a magic, given its first line."""
    flow = Flow(Findings(provided), parse_cell)
    flow.statements(tree.body, flow.names.top)
    flow.names.flush()
    return flow.names


class Flow:
    """Walks the tree; what it finds is in `names`. The modules `statements` and `expressions` say what each node does."""

    def __init__(self, names: Findings, parse_cell: ParseCell) -> None:
        self.names = names
        self.parse_cell = parse_cell
        self.first_line = 0  # of the code inside a cell magic, counted from the top of the cell
        self.inert = False  # the statement at hand cannot call anything
        self.annotations = True  # they are evaluated

    def statements(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in body:
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: Scope) -> None:
        if scope.kind == "function":
            self.expression(node, scope)
            return
        self.inert = is_inert(node)
        if not self.inert:
            self.names.flush()
        handler = STATEMENTS.get(type(node))
        if handler is not None:
            handler(self, node, scope)
        else:
            self.expression(node, scope)

    def paths(self, scope: Scope, *paths: Callable[[], object]) -> None:
        """Each path starts from here; afterwards only what holds at the end of every one is surely bound."""
        before, sure, pending = set(self.names.bound), self.names.sure, dict(self.names.pending)
        local = set(scope.names)
        ends: list[set[str]] = []
        local_ends: list[set[str]] = []
        left: dict[str, bool] = {}
        for path in paths:
            self.names.bound, self.names.pending, scope.names = set(before), dict(pending), set(local)
            self.names.sure = False
            leaves = path()
            left |= self.names.pending
            if not leaves:
                ends.append(self.names.bound)
                local_ends.append(scope.names)
        self.names.bound = set.intersection(*ends) if ends else before
        scope.names = set.intersection(*local_ends) if local_ends else local
        self.names.sure, self.names.pending = sure, left

    def path(self, body: list[ast.stmt], scope: Scope) -> Callable[[], bool]:
        def walk() -> bool:
            self.statements(body, scope)
            return bool(body) and isinstance(body[-1], ast.Raise)

        return walk

    def expression(self, node: ast.AST, scope: Scope) -> None:
        handler = EXPRESSIONS.get(type(node))
        if handler is not None:
            handler(self, node, scope)
            return
        for child in ast.iter_child_nodes(node):
            self.expression(child, scope)

    def annotation(self, node: ast.expr | None, scope: Scope) -> None:
        if node is not None and self.annotations:
            self.expression(node, scope)

    def perhaps(self, nodes: Iterable[ast.AST], scope: Scope) -> None:
        """Expressions that may not be evaluated at all."""
        sure, partial = self.names.sure, self.names.partial
        self.names.sure, self.names.partial = False, True
        for node in nodes:
            self.expression(node, scope)
        self.names.sure, self.names.partial = sure, partial

    def defaults(self, arguments: ast.arguments, scope: Scope) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self.expression(default, scope)

    def inner_code(self, text: str, scope: Scope, *, binds: bool, first_line: int) -> None:
        tree = self.parse_cell(text, self.first_line + first_line)
        self.first_line += first_line
        if binds:
            self.statements(tree.body, scope)
            self.first_line -= first_line
            return
        kept = set(self.names.bound), set(self.names.writes), set(self.names.maybe)
        self.statements(tree.body, scope)
        self.names.flush()
        self.names.bound, self.names.writes, self.names.maybe = kept
        self.first_line -= first_line
