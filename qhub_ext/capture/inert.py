"""What a piece of code certainly does not do: call a function of the notebook, swallow an exception."""

from __future__ import annotations

import ast

from qhub_ext.capture.scopes import FUNCTIONS


def is_inert(node: ast.AST) -> bool:
    """True for a statement that cannot call a function of this notebook."""
    if isinstance(node, (ast.Pass, ast.Import, ast.ImportFrom, ast.Global, ast.Constant, ast.Name, ast.Lambda)):
        return True
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(is_inert(part) for part in node.elts)
    if isinstance(node, ast.Dict):
        return all(part is not None and is_inert(part) for part in (*node.keys, *node.values))
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.operand, ast.Constant)
    if isinstance(node, ast.Assign):
        return is_inert(node.value) and all(isinstance(target, ast.Name) for target in node.targets)
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and (node.value is None or is_inert(node.value))
    if isinstance(node, ast.Expr):
        return is_inert(node.value)
    if isinstance(node, FUNCTIONS):
        defaults = [d for d in (*node.args.defaults, *node.args.kw_defaults) if d is not None]
        return not node.decorator_list and all(is_inert(d) for d in defaults)
    if isinstance(node, ast.ClassDef):
        return not (node.decorator_list or node.bases or node.keywords)
    return False


def keeps_errors(node: ast.With | ast.AsyncWith) -> bool:
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
