"""Scopes of Python code, and the names that belong to each."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Scope:
    kind: str
    parent: Scope | None = None
    names: set[str] = field(default_factory=set)
    declared_global: set[str] = field(default_factory=set)
    class_name: str | None = None


class Bindings:
    """Names that the body of a function or class binds itself; what functions and classes inside it bind is theirs."""

    def __init__(self, body: Iterable[ast.AST]) -> None:
        self.names: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        for node in body:
            self._visit(node, own=True)

    def _visit(self, node: ast.AST, *, own: bool) -> None:
        """`own` is False inside a comprehension: its targets are its own, but a walrus in it binds out here."""
        if isinstance(node, ast.Name):
            if own and not isinstance(node.ctx, ast.Load):
                self.names.add(node.id)
            return
        if isinstance(node, ast.Lambda):
            return
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            self.names.add(node.name)
            return
        if isinstance(node, ast.NamedExpr):
            self.names.add(node.target.id)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            self.names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            self.names.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            self.names.add(node.rest)
        elif isinstance(node, ast.Global):
            self.globals.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            self.nonlocals.update(node.names)
        own = own and not isinstance(node, COMPREHENSIONS)
        for child in ast.iter_child_nodes(node):
            self._visit(child, own=own)


def argument_names(arguments: ast.arguments) -> Iterator[str]:
    for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if argument is not None:
            yield argument.arg


def within_function(scope: Scope) -> bool:
    where: Scope | None = scope
    while where is not None:
        if where.kind == "function":
            return True
        where = where.parent
    return False


def with_type_parameters(node: ast.AST, scope: Scope) -> Scope:
    """`T` of `def f[T](x: T)` (Python 3.12) is known inside only."""
    names = {parameter.name for parameter in getattr(node, "type_params", ())}
    return Scope("comprehension", scope, names, class_name=scope.class_name) if names else scope


def stored_names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def root_name(node: ast.expr) -> str | None:
    """`a` of `a.b[0].c`"""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def mangled(name: str, scope: Scope) -> str:
    if scope.class_name and name.startswith("__") and not name.endswith("__"):
        return f"_{scope.class_name.lstrip('_')}{name}"
    return name
