"""How the statements of a cell are followed in order: branches, loops and `try` keep only what holds on every path."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qhub_ext.capture.inert import keeps_errors
from qhub_ext.capture.scopes import Scope, root_name

if TYPE_CHECKING:
    from qhub_ext.capture.flow import Flow

# methods that are called for what they show, not for what they do to their object
_LOOKS = frozenset({
    "copy", "count", "count_ops", "decompose", "depth", "describe", "display", "draw", "get", "head", "hist", "info", "items",
    "keys", "plot", "print", "show", "size", "summary", "tail", "to_string", "values", "width",
})  # fmt: skip


def on_if(flow: Flow, node: ast.If, scope: Scope) -> None:
    flow.expression(node.test, scope)
    flow.paths(scope, flow.path(node.body, scope), flow.path(node.orelse, scope))


def on_while(flow: Flow, node: ast.While, scope: Scope) -> None:
    flow.expression(node.test, scope)
    flow.paths(scope, flow.path(node.body, scope), lambda: None)
    flow.paths(scope, flow.path(node.orelse, scope), lambda: None)


def on_for(flow: Flow, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
    flow.expression(node.iter, scope)

    def turn() -> None:
        flow.expression(node.target, scope)
        flow.statements(node.body, scope)

    flow.paths(scope, turn, lambda: None)
    flow.paths(scope, flow.path(node.orelse, scope), lambda: None)


def on_with(flow: Flow, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
    for item in node.items:
        flow.expression(item.context_expr, scope)
        if item.optional_vars is not None:
            flow.expression(item.optional_vars, scope)
    before, local = set(flow.names.bound), set(scope.names)
    flow.statements(node.body, scope)
    if not keeps_errors(node):  # one that swallows an exception may end the body early
        flow.names.bound &= before
        scope.names &= local


def on_try(flow: Flow, node: ast.Try, scope: Scope) -> None:
    def quiet() -> bool:
        flow.statements(node.body, scope)
        flow.statements(node.orelse, scope)
        last = (node.orelse or node.body)[-1]
        return isinstance(last, ast.Raise)

    def caught(handler: ast.ExceptHandler) -> Callable[[], bool]:
        def follow() -> bool:
            if handler.type is not None:
                flow.expression(handler.type, scope)
            if handler.name:
                flow.names.bind(handler.name, scope)
            flow.statements(handler.body, scope)
            if handler.name:  # Python unbinds it at the end of the handler
                flow.names.bound.discard(handler.name)
            return isinstance(handler.body[-1], ast.Raise)

        return follow

    before = set(flow.names.bound)
    flow.paths(scope, quiet, *(caught(h) for h in node.handlers))
    # `finally` runs wherever the body stopped; what follows it, only when it did not
    after, flow.names.bound = flow.names.bound, set(before)
    flow.statements(node.finalbody, scope)
    flow.names.bound = (after | (flow.names.bound - before)) - (before - flow.names.bound)


def on_match(flow: Flow, node: ast.Match, scope: Scope) -> None:
    flow.expression(node.subject, scope)

    def case(arm: ast.match_case) -> Callable[[], bool]:
        def follow() -> bool:
            flow.expression(arm.pattern, scope)
            if arm.guard is not None:
                flow.expression(arm.guard, scope)
            return flow.path(arm.body, scope)()

        return follow

    flow.paths(scope, *(case(arm) for arm in node.cases), lambda: None)


def on_assign(flow: Flow, node: ast.Assign, scope: Scope) -> None:
    flow.expression(node.value, scope)
    for target in node.targets:
        flow.expression(target, scope)


def on_ann_assign(flow: Flow, node: ast.AnnAssign, scope: Scope) -> None:
    if node.value is not None:
        flow.expression(node.value, scope)
    flow.annotation(node.annotation, scope)
    if node.value is not None or not isinstance(node.target, ast.Name):
        flow.expression(node.target, scope)


def on_aug_assign(flow: Flow, node: ast.AugAssign, scope: Scope) -> None:
    if isinstance(node.target, ast.Name):
        flow.names.load(node.target.id, scope)
    flow.expression(node.value, scope)
    flow.expression(node.target, scope)


def on_expr(flow: Flow, node: ast.Expr, scope: Scope) -> None:
    flow.expression(node.value, scope)
    value = node.value.value if isinstance(node.value, ast.Await) else node.value
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr not in _LOOKS:
        root = root_name(value.func.value)  # `counts.append(3)`: called for its effect
        if root is not None and flow.names.is_of_module(root, scope):
            flow.names.called_on.add(root)


Handler = Callable[[Any, Any, Scope], None]

# followed in order at the top level and in classes
STATEMENTS: dict[type[ast.AST], Handler] = {
    ast.If: on_if,
    ast.While: on_while,
    ast.For: on_for,
    ast.AsyncFor: on_for,
    ast.With: on_with,
    ast.AsyncWith: on_with,
    ast.Try: on_try,
    ast.TryStar: on_try,
    ast.Match: on_match,
    ast.Assign: on_assign,
    ast.AnnAssign: on_ann_assign,
    ast.AugAssign: on_aug_assign,
    ast.Expr: on_expr,
}
