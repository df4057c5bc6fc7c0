"""`qhub_ext.span`: a span of the user's own, in a job and anywhere else.

    with qhub_ext.span("build ansatz", depth=3):
        ...

    @qhub_ext.span("energy")
    def energy(theta): ...

In a job it stands in the trace, under the cell. Outside of one nothing is recorded, and it costs less than a microsecond.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self, TypeVar

from qhub_ext.telemetry import recorder as spans
from qhub_ext.telemetry.attributes import USER
from qhub_ext.telemetry.otlp import Value

F = TypeVar("F", bound=Callable[..., Any])
LONGEST = 200
MOST_ATTRIBUTES = 32


class span:  # noqa: N801 - used as a verb, like contextlib.suppress
    """A `with` block, or a decorator of a function, a coroutine function or a generator. `attributes` are strings, numbers or truth values."""

    def __init__(self, name: str, /, **attributes: Value) -> None:
        self._name = name
        self._attributes = attributes
        self._open: list[tuple[spans.OpenSpan | None, Any]] = []

    def __enter__(self) -> Self:
        if spans.recorder() is None:
            self._open.append((None, None))
            return self
        opened = spans.begin(str(self._name)[:LONGEST], "classical")
        if opened is not None:
            for key, value in list(self._attributes.items())[:MOST_ATTRIBUTES]:
                self._put(opened, key, value)
        self._open.append((opened, spans.enter(opened)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        opened, token = self._open.pop()
        if opened is not None:
            spans.leave(token)
            spans.finish(opened, error)

    def set(self, **attributes: Value) -> None:
        """Adds attributes to the span that is open."""
        opened = self._open[-1][0] if self._open else None
        if opened is not None:
            for key, value in attributes.items():
                if len(opened.attributes) <= MOST_ATTRIBUTES:
                    self._put(opened, key, value)

    def __call__(self, function: F) -> F:
        name, attributes = self._name, self._attributes
        wrapped: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with span(name, **attributes):
                    return await function(*args, **kwargs)

            wrapped = run_async
        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def run_generator(*args: Any, **kwargs: Any) -> Any:
                with span(name, **attributes):
                    return (yield from function(*args, **kwargs))

            wrapped = run_generator
        else:

            @functools.wraps(function)
            def run(*args: Any, **kwargs: Any) -> Any:
                with span(name, **attributes):
                    return function(*args, **kwargs)

            wrapped = run
        return wrapped

    @staticmethod
    def _put(opened: spans.OpenSpan, key: str, value: Any) -> None:
        """Anything that is no plain value is told by its type: its text might be long, or a secret."""
        plain = value if isinstance(value, str | int | float | bool) else type(value).__name__
        opened.attributes[USER + key] = plain[:LONGEST] if isinstance(plain, str) else plain
