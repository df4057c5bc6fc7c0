"""How a pickle speaks of the place where it will be read: the namespace of the target, and names that travel beside it.

Functions of a notebook live in its namespace. Restored, they must live in the namespace of the job's cell, or they would not
see what the cell assigns: after `scale = 100` in the cell, a plain cloudpickle of `def f(x): return x * scale` goes on with the old one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

_resolve: ContextVar[Callable[[str], Any] | None] = ContextVar("qhub_resolve", default=None)
_namespace: ContextVar[dict[str, Any] | None] = ContextVar("qhub_namespace", default=None)


@contextlib.contextmanager
def bound_to(namespace: dict[str, Any], resolve: Callable[[str], Any]) -> Iterator[None]:
    """While this lasts, pickles are read for `namespace`, and names inside them are looked up with `resolve`."""
    before = _namespace.set(namespace), _resolve.set(resolve)
    try:
        yield
    finally:
        _namespace.reset(before[0])
        _resolve.reset(before[1])


def target_namespace() -> dict[str, Any]:
    """Called by a pickle while it is read."""
    chosen = _namespace.get()
    if chosen is not None:
        return chosen
    import __main__

    return __main__.__dict__


def travelling_name(name: str) -> Any:
    """Called by a pickle while it is read: the value that travels under a name of its own."""
    resolve = _resolve.get()
    if resolve is None:
        raise LookupError(f"this pickle refers to {name!r}, which lies in another file beside it")
    return resolve(name)


class NamespaceMark(dict[str, Any]):
    """Stands in a pickle for the namespace of the notebook; read, it is that of the target."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (target_namespace, ())
