"""What the parts of a statement do to names, wherever they stand: expressions, definitions, imports, patterns, calls."""

from __future__ import annotations

import ast
import sys
from typing import TYPE_CHECKING, Any

from qhub_ext.capture import magic_text
from qhub_ext.capture.inert import is_inert
from qhub_ext.capture.scopes import (
    Bindings,
    Scope,
    argument_names,
    mangled,
    root_name,
    stored_names,
    with_type_parameters,
)
from qhub_ext.capture.statements import Handler, on_aug_assign, on_expr

if TYPE_CHECKING:
    from qhub_ext.capture.flow import Flow


def on_name(flow: Flow, node: ast.Name, scope: Scope) -> None:
    name = mangled(node.id, scope)
    if isinstance(node.ctx, ast.Load):
        flow.names.load(name, scope)
    elif isinstance(node.ctx, ast.Store):
        flow.names.bind(name, scope, surely=not flow.names.partial)
    elif flow.names.is_of_module(name, scope):
        flow.names.load(name, scope)
        flow.names.deletes.add(name)
        flow.names.writes.discard(name)
        flow.names.imports.discard(name)
        flow.names.bound.discard(name)
    elif scope.kind == "class":
        scope.names.discard(name)


def on_bool_op(flow: Flow, node: ast.BoolOp, scope: Scope) -> None:
    flow.expression(node.values[0], scope)
    flow.perhaps(node.values[1:], scope)


def on_compare(flow: Flow, node: ast.Compare, scope: Scope) -> None:
    flow.expression(node.left, scope)
    flow.expression(node.comparators[0], scope)
    flow.perhaps(node.comparators[1:], scope)


def on_if_exp(flow: Flow, node: ast.IfExp, scope: Scope) -> None:
    flow.expression(node.test, scope)
    flow.perhaps([node.body, node.orelse], scope)


def on_assert(flow: Flow, node: ast.Assert, scope: Scope) -> None:
    flow.expression(node.test, scope)
    if node.msg is not None:
        flow.perhaps([node.msg], scope)


def on_named(flow: Flow, node: ast.NamedExpr, scope: Scope) -> None:
    flow.expression(node.value, scope)
    flow.names.bind(node.target.id, scope, surely=not flow.names.partial)


def on_place(flow: Flow, node: ast.Attribute | ast.Subscript, scope: Scope) -> None:
    if not isinstance(node.ctx, ast.Load):
        root = root_name(node)
        if root is not None and flow.names.is_of_module(root, scope):
            flow.names.mutates.add(root)
    for child in ast.iter_child_nodes(node):
        flow.expression(child, scope)


def on_lambda(flow: Flow, node: ast.Lambda, scope: Scope) -> None:
    flow.defaults(node.args, scope)
    inner = Scope("function", scope, set(argument_names(node.args)))
    if flow.inert or scope.kind == "function":
        flow.expression(node.body, inner)
        return
    # it may be called by the very statement that holds it
    pending, flow.names.pending = flow.names.pending, {}
    flow.expression(node.body, inner)
    flow.names.flush()
    flow.names.pending = pending


def on_comprehension(
    flow: Flow, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: Scope
) -> None:
    inner = Scope("comprehension", scope)
    for generator in node.generators:
        inner.names.update(stored_names(generator.target))
    first = node.generators[0]
    flow.expression(first.iter, scope)
    rest: list[ast.AST] = [*first.ifs]
    for generator in node.generators[1:]:
        rest += [generator.iter, *generator.ifs]
    rest += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    flow.perhaps(rest, inner)
    # a target such as `for a.b in ...` changes `a`
    for generator in node.generators:
        if not isinstance(generator.target, (ast.Name, ast.Tuple, ast.List)):
            flow.expression(generator.target, inner)


def on_function(flow: Flow, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
    for decorator in node.decorator_list:
        flow.expression(decorator, scope)
    flow.defaults(node.args, scope)
    arguments = node.args
    for argument in (
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ):
        if argument is not None:
            flow.annotation(argument.annotation, scope)
    flow.annotation(node.returns, scope)
    inner = _function_scope(node, with_type_parameters(node, scope))
    for statement in node.body:
        flow.expression(statement, inner)
    flow.names.bind(mangled(node.name, scope), scope)
    if node.decorator_list and scope.kind != "function":
        flow.names.flush()


def _function_scope(node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Scope:
    bindings = Bindings(node.body)
    names = {*argument_names(node.args), *bindings.names, "__class__"} - bindings.globals - bindings.nonlocals
    return Scope("function", scope, names, bindings.globals, scope.class_name)


def on_class(flow: Flow, node: ast.ClassDef, scope: Scope) -> None:
    for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
        flow.expression(part, scope)
    bindings = Bindings(node.body)
    inner = Scope(
        "class", with_type_parameters(node, scope), {"__module__", "__qualname__"}, bindings.globals, node.name
    )
    if scope.kind == "function":
        inner.names |= bindings.names - bindings.globals
        for statement in node.body:
            flow.expression(statement, inner)
    else:
        flow.statements(node.body, inner)
    flow.names.bind(mangled(node.name, scope), scope)
    # a base, a decorator or a descriptor may call the methods as soon as the class is made
    if scope.kind != "function" and not all(map(is_inert, [node, *node.body])):
        flow.names.flush()


def on_import(flow: Flow, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        flow.annotations = flow.annotations and all(alias.name != "annotations" for alias in node.names)
    for alias in node.names:
        if alias.name == "*":
            flow.names.closed = False
            flow.names.star = True
            continue
        name = alias.asname or alias.name.partition(".")[0]
        flow.names.bind(name, scope)
        if flow.names.is_of_module(name, scope):
            flow.names.imports.add(name)


def on_type_alias(
    flow: Flow, node: Any, scope: Scope
) -> None:  # ast.TypeAlias, Python 3.12; its value is found out later
    flow.names.bind(node.name.id, scope)
    flow.expression(node.value, Scope("function", with_type_parameters(node, scope)))


def on_pattern(flow: Flow, node: ast.MatchAs | ast.MatchStar | ast.MatchMapping, scope: Scope) -> None:
    name = node.rest if isinstance(node, ast.MatchMapping) else node.name
    if name:
        flow.names.bind(name, scope)
    for child in ast.iter_child_nodes(node):
        flow.expression(child, scope)


def on_call(flow: Flow, node: ast.Call, scope: Scope) -> None:
    spoken = magic_text.read_call(node)
    if spoken is None:
        for child in ast.iter_child_nodes(node):
            flow.expression(child, scope)
        return
    heard = magic_text.understand(spoken)
    for text in heard.code:
        flow.inner_code(text, scope, binds=heard.binds_code, first_line=heard.first_line)
    flow.names.in_text = True
    flow.perhaps(heard.expressions, scope)
    flow.names.in_text = False
    flow.names.mentioned |= heard.words
    for name in heard.writes:
        flow.names.bind(name, scope)
    flow.names.closed = flow.names.closed and heard.closed


# wherever they stand
EXPRESSIONS: dict[type[ast.AST], Handler] = {
    ast.Name: on_name,
    ast.BoolOp: on_bool_op,
    ast.Compare: on_compare,
    ast.IfExp: on_if_exp,
    ast.Assert: on_assert,
    ast.NamedExpr: on_named,
    ast.Attribute: on_place,
    ast.Subscript: on_place,
    ast.AugAssign: on_aug_assign,
    ast.Expr: on_expr,
    ast.Lambda: on_lambda,
    ast.ListComp: on_comprehension,
    ast.SetComp: on_comprehension,
    ast.DictComp: on_comprehension,
    ast.GeneratorExp: on_comprehension,
    ast.FunctionDef: on_function,
    ast.AsyncFunctionDef: on_function,
    ast.ClassDef: on_class,
    ast.Import: on_import,
    ast.ImportFrom: on_import,
    ast.MatchAs: on_pattern,
    ast.MatchStar: on_pattern,
    ast.MatchMapping: on_pattern,
    ast.Call: on_call,
}
if sys.version_info >= (3, 12):
    EXPRESSIONS[ast.TypeAlias] = on_type_alias
