"""Whether two values of two jobs are the same, where `==` does not say so.

Two runs of one cell make two functions, two parameters of one name, two objects of a class that has no equality of its own: each is what the other
is. Arrays and tables answer `==` with more than a word. No library is imported for it: a value is known by what it can do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

DEEP = 30
"""Nobody looks at what lies deeper in a value; such values are called different."""


def alike(first: Any, second: Any, *, depth: int = 0) -> bool:
    try:
        return _alike(first, second, depth)
    except Exception:  # noqa: BLE001 - a value of the user's may raise anything when it is compared
        return False


def comparable(value: Any) -> bool:
    """Whether there is more to say of it than that it is itself: of a tool, such as a pass manager, there is not."""
    return isinstance(value, FunctionType | type) or any("__eq__" in vars(kind) for kind in type(value).__mro__[:-1])


def _alike(a: Any, b: Any, depth: int) -> bool:
    if depth > DEEP:
        return False
    if a is b:
        return True
    if isinstance(a, float | complex) and isinstance(b, float | complex):
        return a == b or (a != a and b != b)  # not a number is the same as not a number
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        mine, theirs = ({_key(key): value for key, value in one.items()} for one in (a, b))
        return mine.keys() == theirs.keys() and all(alike(mine[key], theirs[key], depth=depth + 1) for key in mine)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return type(a) is type(b) and _all(a, b, depth)
    if isinstance(a, FunctionType) and isinstance(b, FunctionType):
        return _code(a.__code__, b.__code__) and alike(a.__defaults__, b.__defaults__, depth=depth + 1)
    if isinstance(a, type) and isinstance(b, type):
        return a.__qualname__ == b.__qualname__ and alike(_methods(a), _methods(b), depth=depth + 1)
    if type(a).__qualname__ != type(b).__qualname__:
        return bool(a == b)
    for test in (_parameters, _circuits, _tables, _arrays):
        found = test(a, b)
        if found is not None:
            return found
    if hasattr(a, "__dict__") and not comparable(a):
        return alike(vars(a), vars(b), depth=depth + 1)
    return bool(a == b)


def _all(a: Any, b: Any, depth: int) -> bool:
    return len(a) == len(b) and all(alike(x, y, depth=depth + 1) for x, y in zip(a, b, strict=True))


def _code(a: CodeType, b: CodeType) -> bool:
    """What it does, wherever it stands."""
    parts = [(c.co_code, c.co_names, c.co_varnames, c.co_freevars) for c in (a, b)]
    return (
        parts[0] == parts[1]
        and len(a.co_consts) == len(b.co_consts)
        and all(
            _code(x, y) if isinstance(x, CodeType) and isinstance(y, CodeType) else type(x) is type(y) and x == y
            for x, y in zip(a.co_consts, b.co_consts, strict=True)
        )
    )


def _methods(kind: type) -> dict[str, Any]:
    return {name: value for name, value in vars(kind).items() if isinstance(value, FunctionType)}


def _key(key: Any) -> Any:
    return (type(key).__name__, key.name) if type(key).__name__.startswith("Parameter") else key


def _parameters(a: Any, b: Any) -> bool | None:
    """Qiskit's are equal by a number that is drawn when they are made; people know them by name."""
    if type(a).__name__ in ("Parameter", "ParameterVectorElement"):
        return bool(a.name == b.name)
    if type(a).__name__ == "ParameterVector":
        return bool(a.name == b.name and len(a) == len(b))
    if type(a).__name__ == "ParameterExpression":
        return str(a) == str(b)
    return None


def _circuits(a: Any, b: Any) -> bool | None:
    if not hasattr(a, "assign_parameters") or not hasattr(a, "parameters"):
        return None
    from qiskit.circuit import Parameter  # who has a circuit has imported it

    names = sorted(parameter.name for parameter in a.parameters)
    if names != sorted(parameter.name for parameter in b.parameters):
        return False
    stand_ins = {name: Parameter(f"{name} of both") for name in names}
    same_names = [one.assign_parameters({p: stand_ins[p.name] for p in one.parameters}) for one in (a, b)]
    return bool(same_names[0] == same_names[1])


def _tables(a: Any, b: Any) -> bool | None:
    """Of pandas."""
    return bool(a.equals(b)) if callable(getattr(a, "equals", None)) else None


def _arrays(a: Any, b: Any) -> bool | None:
    if not hasattr(a, "dtype") or not hasattr(a, "shape"):
        return None
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(((a == b) | ((a != a) & (b != b))).all())  # not a number is the same as not a number
