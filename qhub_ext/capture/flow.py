"""Follows the names of a cell from its first statement to its last, scope by scope, as Python would resolve them.

Straight-line code of the top level is followed in order, so that `x = 1; print(x)` does not read `x`. Branches, loops and
`try` keep only what holds on every path. The body of a function runs later: its names count as read at the next statement
that could call it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable
from typing import Any

from qhub_ext.capture import magic_text
from qhub_ext.capture.scopes import (
    FUNCTIONS,
    Bindings,
    Scope,
    argument_names,
    mangled,
    root_name,
    stored_names,
    with_type_parameters,
    within_function,
)

_DYNAMIC = frozenset({"eval", "exec", "globals", "locals", "vars", "compile", "__import__"})
# methods that are called for what they show, not for what they do to their object
_LOOKS = frozenset({
    "copy", "count", "count_ops", "decompose", "depth", "describe", "display", "draw", "get", "head", "hist", "info", "items",
    "keys", "plot", "print", "show", "size", "summary", "tail", "to_string", "values", "width",
})  # fmt: skip


class Flow:
    """The findings, as sets of names of the module's scope, before anything is known about the notebook.

    `reads` when not surely bound; `uncertain` of them, when bound on some path; `missing`: read for sure, bound by nobody yet;
    `maybe`: bound on some path; `star`: a star import may have bound anything; `mentioned` in the text of a magic;
    `expanded`: read by nothing but `$name` and `{name}` of such text, which IPython leaves as it is where there is no value.
    """

    def __init__(self, provided: Iterable[str] = (), *, parse_cell: Callable[[str, int], ast.Module]) -> None:
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
        self._parse_cell = parse_cell
        self._bound: set[str] = set(provided)
        self._top = Scope("module")
        self._pending: dict[str, bool] = {}  # name -> nobody had bound it when the function was defined
        self._sure = True  # this code runs whenever the cell does
        self._closed = True  # no star import, exec or magic may have bound names that we cannot see
        self._first_line = 0  # of the code inside a cell magic, counted from the top of the cell
        self._inert = False
        self._in_text = False  # inside `$name` or `{name}` of a magic or a shell line
        self._partial = False  # inside an expression that may not be evaluated
        self._annotations = True

    @property
    def uncertain(self) -> set[str]:
        return self.reads - self.firm

    def module(self, tree: ast.Module) -> None:
        self._statements(tree.body, self._top)
        self._flush()

    # -- names ---------------------------------------------------------------------------------------------------------

    def _home(self, name: str, scope: Scope) -> tuple[Scope, bool]:
        """The scope that a name belongs to, and whether a function lies between: its code runs later, if at all."""
        where, deferred = scope, False
        while where.parent is not None:
            if name in where.declared_global:
                return self._top, deferred or within_function(where)
            # the names of a class are seen by its own statements only, not by its methods
            if name in where.names and (where is scope or where.kind != "class"):
                return where, deferred
            deferred = deferred or where.kind == "function"
            where = where.parent
        return self._top, deferred

    def _load(self, name: str, scope: Scope) -> None:
        home, deferred = self._home(name, scope)
        if home is not self._top:
            return
        if name in _DYNAMIC:
            self.dynamic.add(name)
            self._closed = self._closed and name not in {"exec", "eval", "globals"}
        if deferred and self._in_text:
            self._read(name, firm=False, now=False)
        elif deferred:
            self._pending[name] = self._pending.get(name, False) or name not in self.maybe
        else:
            self._read(name, firm=name not in self.maybe, now=True)

    def _read(self, name: str, *, firm: bool, now: bool) -> None:
        if name in self._bound:
            return
        if not self._in_text:
            self.expanded.discard(name)
        elif name not in self.reads:
            self.expanded.add(name)
        self.reads.add(name)
        if firm:
            self.firm.add(name)
            if now and self._sure and self._closed:
                self.missing.add(name)

    def _bind(self, name: str, scope: Scope, *, surely: bool = True) -> None:
        target = scope
        while target.kind == "comprehension" and target.parent is not None:
            target = target.parent
        if target is not self._top and name not in target.declared_global:
            target.names.add(name)
            return
        self.writes.add(name)
        self.maybe.add(name)
        self.deletes.discard(name)
        if surely and not within_function(target):
            self._bound.add(name)

    def _flush(self) -> None:
        """A call may happen here: what functions defined so far read, they read now."""
        pending, self._pending = self._pending, {}
        for name, firm in pending.items():
            self._read(name, firm=firm, now=False)

    def _is_module_name(self, name: str, scope: Scope) -> bool:
        return self._home(name, scope)[0] is self._top

    # -- statements ----------------------------------------------------------------------------------------------------

    def _statements(self, body: Iterable[ast.stmt], scope: Scope) -> None:
        for statement in body:
            self._statement(statement, scope)

    def _statement(self, node: ast.stmt, scope: Scope) -> None:
        if scope.kind == "function":
            self._expression(node, scope)
            return
        self._inert = _is_inert(node)
        if not self._inert:
            self._flush()
        handler = _STATEMENTS.get(type(node))
        if handler is not None:
            handler(self, node, scope)
        else:
            self._expression(node, scope)

    def _paths(self, scope: Scope, *paths: Callable[[], object]) -> None:
        """Each path starts from here; afterwards only what holds at the end of every one is surely bound."""
        before, sure, pending = set(self._bound), self._sure, dict(self._pending)
        local = set(scope.names)
        ends: list[set[str]] = []
        local_ends: list[set[str]] = []
        left: dict[str, bool] = {}
        for path in paths:
            self._bound, self._sure, self._pending, scope.names = set(before), False, dict(pending), set(local)
            leaves = path()
            left |= self._pending
            if not leaves:
                ends.append(self._bound)
                local_ends.append(scope.names)
        self._bound = set.intersection(*ends) if ends else before
        scope.names = set.intersection(*local_ends) if local_ends else local
        self._sure, self._pending = sure, left

    def _path(self, body: list[ast.stmt], scope: Scope) -> Callable[[], bool]:
        def follow() -> bool:
            self._statements(body, scope)
            return bool(body) and isinstance(body[-1], ast.Raise)

        return follow

    def _on_if(self, node: ast.If, scope: Scope) -> None:
        self._expression(node.test, scope)
        self._paths(scope, self._path(node.body, scope), self._path(node.orelse, scope))

    def _on_while(self, node: ast.While, scope: Scope) -> None:
        self._expression(node.test, scope)
        self._paths(scope, self._path(node.body, scope), lambda: None)
        self._paths(scope, self._path(node.orelse, scope), lambda: None)

    def _on_for(self, node: ast.For | ast.AsyncFor, scope: Scope) -> None:
        self._expression(node.iter, scope)

        def turn() -> None:
            self._expression(node.target, scope)
            self._statements(node.body, scope)

        self._paths(scope, turn, lambda: None)
        self._paths(scope, self._path(node.orelse, scope), lambda: None)

    def _on_with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        for item in node.items:
            self._expression(item.context_expr, scope)
            if item.optional_vars is not None:
                self._expression(item.optional_vars, scope)
        before, local = set(self._bound), set(scope.names)
        self._statements(node.body, scope)
        if not _keeps_errors(node):  # one that swallows an exception may end the body early
            self._bound &= before
            scope.names &= local

    def _on_try(self, node: ast.Try, scope: Scope) -> None:
        def quiet() -> bool:
            self._statements(node.body, scope)
            self._statements(node.orelse, scope)
            last = (node.orelse or node.body)[-1]
            return isinstance(last, ast.Raise)

        def caught(handler: ast.ExceptHandler) -> Callable[[], bool]:
            def follow() -> bool:
                if handler.type is not None:
                    self._expression(handler.type, scope)
                if handler.name:
                    self._bind(handler.name, scope)
                self._statements(handler.body, scope)
                if handler.name:  # Python unbinds it at the end of the handler
                    self._bound.discard(handler.name)
                return isinstance(handler.body[-1], ast.Raise)

            return follow

        before = set(self._bound)
        self._paths(scope, quiet, *(caught(h) for h in node.handlers))
        # `finally` runs wherever the body stopped; what follows it, only when it did not
        after, self._bound = self._bound, set(before)
        self._statements(node.finalbody, scope)
        self._bound = (after | (self._bound - before)) - (before - self._bound)

    def _on_match(self, node: ast.Match, scope: Scope) -> None:
        self._expression(node.subject, scope)

        def case(arm: ast.match_case) -> Callable[[], bool]:
            def follow() -> bool:
                self._expression(arm.pattern, scope)
                if arm.guard is not None:
                    self._expression(arm.guard, scope)
                return self._path(arm.body, scope)()

            return follow

        self._paths(scope, *(case(arm) for arm in node.cases), lambda: None)

    def _on_assign(self, node: ast.Assign, scope: Scope) -> None:
        self._expression(node.value, scope)
        for target in node.targets:
            self._expression(target, scope)

    def _on_ann_assign(self, node: ast.AnnAssign, scope: Scope) -> None:
        if node.value is not None:
            self._expression(node.value, scope)
        self._annotation(node.annotation, scope)
        if node.value is not None or not isinstance(node.target, ast.Name):
            self._expression(node.target, scope)

    def _on_aug_assign(self, node: ast.AugAssign, scope: Scope) -> None:
        if isinstance(node.target, ast.Name):
            self._load(node.target.id, scope)
        self._expression(node.value, scope)
        self._expression(node.target, scope)

    def _on_expr(self, node: ast.Expr, scope: Scope) -> None:
        self._expression(node.value, scope)
        value = node.value.value if isinstance(node.value, ast.Await) else node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr not in _LOOKS:
            root = root_name(value.func.value)  # `counts.append(3)`: called for its effect
            if root is not None and self._is_module_name(root, scope):
                self.called_on.add(root)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def _expression(self, node: ast.AST, scope: Scope) -> None:
        handler = _EXPRESSIONS.get(type(node))
        if handler is not None:
            handler(self, node, scope)
            return
        for child in ast.iter_child_nodes(node):
            self._expression(child, scope)

    def _annotation(self, node: ast.expr | None, scope: Scope) -> None:
        if node is not None and self._annotations:
            self._expression(node, scope)

    def _name(self, node: ast.Name, scope: Scope) -> None:
        name = mangled(node.id, scope)
        if isinstance(node.ctx, ast.Load):
            self._load(name, scope)
        elif isinstance(node.ctx, ast.Store):
            self._bind(name, scope, surely=not self._partial)
        elif self._is_module_name(name, scope):
            self._load(name, scope)
            self.deletes.add(name)
            self.writes.discard(name)
            self.imports.discard(name)
            self._bound.discard(name)
        elif scope.kind == "class":
            scope.names.discard(name)

    def _perhaps(self, nodes: Iterable[ast.AST], scope: Scope) -> None:
        """Expressions that may not be evaluated at all."""
        sure, partial = self._sure, self._partial
        self._sure, self._partial = False, True
        for node in nodes:
            self._expression(node, scope)
        self._sure, self._partial = sure, partial

    def _bool_op(self, node: ast.BoolOp, scope: Scope) -> None:
        self._expression(node.values[0], scope)
        self._perhaps(node.values[1:], scope)

    def _compare(self, node: ast.Compare, scope: Scope) -> None:
        self._expression(node.left, scope)
        self._expression(node.comparators[0], scope)
        self._perhaps(node.comparators[1:], scope)

    def _if_exp(self, node: ast.IfExp, scope: Scope) -> None:
        self._expression(node.test, scope)
        self._perhaps([node.body, node.orelse], scope)

    def _assert(self, node: ast.Assert, scope: Scope) -> None:
        self._expression(node.test, scope)
        if node.msg is not None:
            self._perhaps([node.msg], scope)

    def _named(self, node: ast.NamedExpr, scope: Scope) -> None:
        self._expression(node.value, scope)
        self._bind(node.target.id, scope, surely=not self._partial)

    def _place(self, node: ast.Attribute | ast.Subscript, scope: Scope) -> None:
        if not isinstance(node.ctx, ast.Load):
            root = root_name(node)
            if root is not None and self._is_module_name(root, scope):
                self.mutates.add(root)
        for child in ast.iter_child_nodes(node):
            self._expression(child, scope)

    def _lambda(self, node: ast.Lambda, scope: Scope) -> None:
        self._defaults(node.args, scope)
        inner = Scope("function", scope, set(argument_names(node.args)))
        if self._inert or scope.kind == "function":
            self._expression(node.body, inner)
            return
        # it may be called by the very statement that holds it
        pending, self._pending = self._pending, {}
        self._expression(node.body, inner)
        self._flush()
        self._pending = pending

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: Scope) -> None:
        inner = Scope("comprehension", scope)
        for generator in node.generators:
            inner.names.update(stored_names(generator.target))
        first = node.generators[0]
        self._expression(first.iter, scope)
        rest: list[ast.AST] = [*first.ifs]
        for generator in node.generators[1:]:
            rest += [generator.iter, *generator.ifs]
        rest += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self._perhaps(rest, inner)
        # a target such as `for a.b in ...` changes `a`
        for generator in node.generators:
            if not isinstance(generator.target, (ast.Name, ast.Tuple, ast.List)):
                self._expression(generator.target, inner)

    def _defaults(self, arguments: ast.arguments, scope: Scope) -> None:
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if default is not None:
                self._expression(default, scope)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> None:
        for decorator in node.decorator_list:
            self._expression(decorator, scope)
        self._defaults(node.args, scope)
        arguments = node.args
        for argument in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            arguments.vararg,
            arguments.kwarg,
        ):
            if argument is not None:
                self._annotation(argument.annotation, scope)
        self._annotation(node.returns, scope)
        inner = self._function_scope(node, with_type_parameters(node, scope))
        for statement in node.body:
            self._expression(statement, inner)
        self._bind(mangled(node.name, scope), scope)
        if node.decorator_list and scope.kind != "function":
            self._flush()

    def _function_scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Scope:
        bindings = Bindings(node.body)
        names = {*argument_names(node.args), *bindings.names, "__class__"} - bindings.globals - bindings.nonlocals
        return Scope("function", scope, names, bindings.globals, scope.class_name)

    def _class(self, node: ast.ClassDef, scope: Scope) -> None:
        for part in (*node.decorator_list, *node.bases, *(k.value for k in node.keywords)):
            self._expression(part, scope)
        bindings = Bindings(node.body)
        inner = Scope(
            "class", with_type_parameters(node, scope), {"__module__", "__qualname__"}, bindings.globals, node.name
        )
        if scope.kind == "function":
            inner.names |= bindings.names - bindings.globals
            for statement in node.body:
                self._expression(statement, inner)
        else:
            self._statements(node.body, inner)
        self._bind(mangled(node.name, scope), scope)
        # a base, a decorator or a descriptor may call the methods as soon as the class is made
        if scope.kind != "function" and not all(map(_is_inert, [node, *node.body])):
            self._flush()

    def _import(self, node: ast.Import | ast.ImportFrom, scope: Scope) -> None:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            self._annotations = self._annotations and all(alias.name != "annotations" for alias in node.names)
        for alias in node.names:
            if alias.name == "*":
                self._closed = False
                self.star = True
                continue
            name = alias.asname or alias.name.partition(".")[0]
            self._bind(name, scope)
            if self._is_module_name(name, scope):
                self.imports.add(name)

    def _type_alias(self, node: Any, scope: Scope) -> None:  # ast.TypeAlias, Python 3.12; its value is found out later
        self._bind(node.name.id, scope)
        self._expression(node.value, Scope("function", with_type_parameters(node, scope)))

    def _pattern(self, node: ast.MatchAs | ast.MatchStar | ast.MatchMapping, scope: Scope) -> None:
        name = node.rest if isinstance(node, ast.MatchMapping) else node.name
        if name:
            self._bind(name, scope)
        for child in ast.iter_child_nodes(node):
            self._expression(child, scope)

    def _call(self, node: ast.Call, scope: Scope) -> None:
        spoken = magic_text.read_call(node)
        if spoken is None:
            for child in ast.iter_child_nodes(node):
                self._expression(child, scope)
            return
        heard = magic_text.understand(spoken)
        for text in heard.code:
            self._inner_code(text, scope, binds=heard.binds_code, first_line=heard.first_line)
        self._in_text = True
        self._perhaps(heard.expressions, scope)
        self._in_text = False
        self.mentioned |= heard.words
        for name in heard.writes:
            self._bind(name, scope)
        self._closed = self._closed and heard.closed

    def _inner_code(self, text: str, scope: Scope, *, binds: bool, first_line: int) -> None:
        tree = self._parse_cell(text, self._first_line + first_line)
        self._first_line += first_line
        if binds:
            self._statements(tree.body, scope)
            self._first_line -= first_line
            return
        kept = set(self._bound), set(self.writes), set(self.maybe)
        self._statements(tree.body, scope)
        self._flush()
        self._bound, self.writes, self.maybe = kept
        self._first_line -= first_line


_Handler = Callable[[Any, Any, Scope], None]

# followed in order at the top level and in classes
_STATEMENTS: dict[type[ast.AST], _Handler] = {
    ast.If: Flow._on_if,
    ast.While: Flow._on_while,
    ast.For: Flow._on_for,
    ast.AsyncFor: Flow._on_for,
    ast.With: Flow._on_with,
    ast.AsyncWith: Flow._on_with,
    ast.Try: Flow._on_try,
    ast.TryStar: Flow._on_try,
    ast.Match: Flow._on_match,
    ast.Assign: Flow._on_assign,
    ast.AnnAssign: Flow._on_ann_assign,
    ast.AugAssign: Flow._on_aug_assign,
    ast.Expr: Flow._on_expr,
}
# wherever they stand
_EXPRESSIONS: dict[type[ast.AST], _Handler] = {
    ast.Name: Flow._name,
    ast.BoolOp: Flow._bool_op,
    ast.Compare: Flow._compare,
    ast.IfExp: Flow._if_exp,
    ast.Assert: Flow._assert,
    ast.NamedExpr: Flow._named,
    ast.Attribute: Flow._place,
    ast.Subscript: Flow._place,
    ast.AugAssign: Flow._on_aug_assign,
    ast.Expr: Flow._on_expr,
    ast.Lambda: Flow._lambda,
    ast.ListComp: Flow._comprehension,
    ast.SetComp: Flow._comprehension,
    ast.DictComp: Flow._comprehension,
    ast.GeneratorExp: Flow._comprehension,
    ast.FunctionDef: Flow._function,
    ast.AsyncFunctionDef: Flow._function,
    ast.ClassDef: Flow._class,
    ast.Import: Flow._import,
    ast.ImportFrom: Flow._import,
    ast.MatchAs: Flow._pattern,
    ast.MatchStar: Flow._pattern,
    ast.MatchMapping: Flow._pattern,
    ast.Call: Flow._call,
}
if sys.version_info >= (3, 12):
    _EXPRESSIONS[ast.TypeAlias] = Flow._type_alias


def _is_inert(node: ast.AST) -> bool:
    """True for a statement that cannot call a function of this notebook."""
    if isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom, ast.Global, ast.Constant, ast.Name, ast.Lambda)):
        return True
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(_is_inert(part) for part in node.elts)
    if isinstance(node, ast.Dict):
        return all(part is not None and _is_inert(part) for part in (*node.keys, *node.values))
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Assign):
        return _is_inert(node.value) and all(isinstance(target, ast.Name) for target in node.targets)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and (node.value is None or _is_inert(node.value))
    if isinstance(node, ast.Expr):
        return _is_inert(node.value)
    if isinstance(node, FUNCTIONS):
        defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
        return not node.decorator_list and all(_is_inert(d) for d in defaults)
    if isinstance(node, ast.ClassDef):
        return not (node.decorator_list or node.bases or node.keywords)
    return False


def _keeps_errors(node: ast.With | ast.AsyncWith) -> bool:
    """True where the context managers are known to let exceptions pass, so that the end means: all of the body ran."""
    for item in node.items:
        call = item.context_expr
        name = call.func if isinstance(call, ast.Call) else call
        last = name.attr if isinstance(name, ast.Attribute) else name.id if isinstance(name, ast.Name) else ""
        if last not in {
            "open",
            "catch_warnings",
            "TemporaryDirectory",
            "NamedTemporaryFile",
            "Session",
            "Batch",
            "timer",
        }:
            return False
    return True
