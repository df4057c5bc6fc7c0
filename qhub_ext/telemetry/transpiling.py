"""A span for each run of Qiskit's pass manager, without importing Qiskit: its module is wrapped when user code imports it."""

from __future__ import annotations

import contextvars
import functools
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from qhub_ext.telemetry import recorder as spans

MODULE = "qiskit.transpiler.passmanager"
_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("qhub_transpiling", default=False)


def watch() -> None:
    """Wraps the pass manager now, or when it is first imported."""
    module = sys.modules.get(MODULE)
    if module is not None:
        _wrap(module)
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Lets everybody else find the module, and wraps it once it is loaded; then it leaves."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - importlib's
        target: ModuleType | None = None,  # noqa: ARG002 - importlib's
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        found: ModuleType | None = self._inner.create_module(spec)
        return found

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__.loader = module.__loader__ = self._inner
        self._inner.exec_module(module)
        _wrap(module)


def _wrap(module: ModuleType) -> None:
    for name in ("PassManager", "StagedPassManager"):
        kind = getattr(module, name, None)
        run = None if kind is None else vars(kind).get("run")
        if run is not None and not hasattr(run, "__qhub_span__"):
            kind.run = _recorded(run)  # type: ignore[union-attr]


def _recorded(run: Any) -> Any:
    @functools.wraps(run)
    def recorded(self: Any, circuits: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        if _inside.get() or spans.recorder() is None:  # a staged pass manager runs its stages by the same method
            return run(self, circuits, *args, **kwargs)
        count = len(circuits) if isinstance(circuits, list | tuple) else 1
        token = _inside.set(True)
        try:
            with spans.recording("transpile", "transpile", code__function__name=f"{type(self).__name__}.run") as span:
                if span is not None:
                    span.attributes["qhub.transpile.circuits"] = count
                return run(self, circuits, *args, **kwargs)
        finally:
            _inside.reset(token)

    recorded.__qhub_span__ = True  # type: ignore[attr-defined]
    return recorded
