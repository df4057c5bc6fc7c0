"""Has a value of the notebook changed since? Names that come back from a job must not overwrite one that has.

A mark tells contents where that is cheap, so that running a cell again to the same end is no change; of what is too large or
cannot be written down it tells the object.
"""

from __future__ import annotations

import hashlib
import secrets
import types
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import cloudpickle

from qhub_ext.capture.circuits import layouts_of, to_qpy
from qhub_ext.capture.values import type_name

_PROCESS = secrets.token_hex(8)  # an id() means nothing in another kernel
_READ_WHOLE = 8 << 20  # bytes; of larger arrays, both ends and every so many bytes between
_SAMPLE = 1 << 20
_PICKLED = 2 << 20  # bytes of a pickle that are looked at


def fingerprint(names: Iterable[str], namespace: Mapping[str, Any]) -> dict[str, str | None]:
    """A mark per name, None for a name that does not exist. JSON-ready."""
    return {name: _mark(namespace[name]) if name in namespace else None for name in names}


def changed(before: Mapping[str, str | None], namespace: Mapping[str, Any]) -> set[str]:
    """Names that exist now with another value than then, or that did not exist then. A deleted name stands in no one's way."""
    return {
        name for name, mark in before.items() if name in namespace and (mark is None or _mark(namespace[name]) != mark)
    }


def _mark(value: Any) -> str:
    kind = type_name(value)
    content = _content(value)
    if content is None:
        return f"{kind}@{_PROCESS}:{id(value):x}"
    return f"{kind}#{content}"


def _content(value: Any) -> str | None:
    if isinstance(value, types.ModuleType):
        return value.__name__
    if type(value) in (str, bytes, bytearray):
        return _sampled(memoryview(value.encode("utf-8", "surrogatepass") if type(value) is str else value))
    if type(value) in (type(None), bool, int, float, complex):
        return _short(hashlib.sha256(repr(value).encode())) if type(value) is not int else _of_int(value)
    if isinstance(value, types.FunctionType):
        return _of_code(value.__code__)
    if hasattr(type(value), "__array_interface__") and hasattr(value, "dtype") and not value.dtype.hasobject:
        return _of_array(value)
    circuits = to_qpy(value, layouts=False)
    if circuits is not None:
        return _short(hashlib.sha256(circuits.data + repr((circuits.order, layouts_of(value))).encode()))
    return _of_pickle(value)


def _of_int(value: int) -> str:
    return (
        f"{value:x}"
        if value.bit_length() < 512
        else _sampled(memoryview(value.to_bytes(value.bit_length() // 8 + 1, signed=True)))
    )


def _of_code(code: types.CodeType) -> str:
    digest = hashlib.sha256(code.co_code)
    for part in (code.co_names, code.co_varnames, code.co_freevars):
        digest.update(repr(part).encode())
    for constant in code.co_consts:
        text = _of_code(constant) if isinstance(constant, types.CodeType) else repr(constant)
        digest.update(text.encode("utf-8", "surrogatepass"))
    return _short(digest)


def _of_array(value: Any) -> str | None:
    head = f"{value.dtype.str}{value.shape}"
    try:
        view = memoryview(value).cast("B")
    except (TypeError, ValueError, BufferError):  # not contiguous, or of a kind without a buffer
        if value.nbytes > _READ_WHOLE:
            return None
        view = memoryview(value.tobytes())
    return f"{head}{_sampled(view)}"


def _sampled(view: memoryview) -> str:
    if view.nbytes <= _READ_WHOLE:
        return _short(hashlib.sha256(view))
    digest = hashlib.sha256(view[:_SAMPLE])
    digest.update(view[-_SAMPLE:])
    digest.update(view[:: max(1, view.nbytes // _SAMPLE)].tobytes())
    return f"{view.nbytes}:{_short(digest)}"


class _Enough(Exception):
    pass


class _Reader:
    """Digests what a pickler writes, up to a limit."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self._left = _PICKLED

    def write(self, data: bytes | memoryview) -> int:
        self.digest.update(data[: self._left])
        self._left -= len(data)
        if self._left < 0:
            raise _Enough
        return len(data)


class _Marker(cloudpickle.Pickler):
    """A class of the notebook is told by its name: what a value holds has not changed when its class was made anew."""

    def __init__(self, reader: _Reader, root: Any) -> None:
        super().__init__(reader, protocol=5)
        self._root = root

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, type) and value is not self._root and value.__module__ == "__main__":
            return _class_of_the_notebook, (value.__qualname__,)
        return super().reducer_override(value)


def _class_of_the_notebook(name: str) -> None:
    """Stands in what is digested, and is never called."""


def _of_pickle(value: Any) -> str | None:
    reader = _Reader()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _Marker(reader, value).dump(value)
    except _Enough:
        return f"{_short(reader.digest)}@{_PROCESS}:{id(value):x}"  # its beginning, and which object it was
    except Exception:  # noqa: BLE001 - what cannot be written down is known by its identity
        return None
    return _short(reader.digest)


def _short(digest: Any) -> str:
    return str(digest.hexdigest()[:32])
