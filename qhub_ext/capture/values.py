"""What a value is and how large it is, in words and numbers: by looks alone, so that nothing is imported for it."""

from __future__ import annotations

import sys
import types
from typing import Any

_MIB = 1 << 20


def left_behind(name: str, why: str) -> str:
    """That a variable did not come back from a job, saying its name once; `why` begins with it."""
    why = f"it {why.removeprefix(f'`{name}` ')}" if why.startswith(f"`{name}` ") else why
    return f"`{name}` did not come back: {why.removesuffix('.')}."


def type_name(value: Any) -> str:
    kind = type(value)
    if kind.__module__ in {"builtins", "__main__", None}:
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def summarise(value: Any) -> str:
    """A few words: `ndarray float64 (1000, 3)`, `QuantumCircuit 20 qubits, 749 operations`, `DataFrame 100 x 4`."""
    try:
        return _summary(value)
    except Exception:  # noqa: BLE001 - a summary is a courtesy: an odd class must not stop a capture
        return type(value).__name__


def _summary(value: Any) -> str:
    kind = type(value)
    name = kind.__name__
    if value is None or kind in (bool, int, float, complex):
        text = repr(value) if kind is not int or value.bit_length() < 200 else f"{value.bit_length()} bits"
        return f"{name} {text}" if value is not None else "None"
    if kind in (str, bytes, bytearray):
        shown = value if len(value) <= 32 else value[:29]
        more = "" if len(value) <= 32 else f"... ({len(value)})"
        return f"{name} {shown!r}{more}"
    if isinstance(value, types.ModuleType):
        return f"module {value.__name__}"
    if isinstance(value, type):
        return f"class {value.__qualname__}"
    if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
        return f"function {value.__qualname__}"
    if kind in (list, tuple, set, frozenset, dict):
        return _container(value, name)
    module = str(kind.__module__).partition(".")[0]
    if hasattr(kind, "count_ops") and hasattr(kind, "num_qubits"):
        return f"{name} {value.num_qubits} qubits, {_thousands(sum(value.count_ops().values()))} operations"
    if module == "pandas" and hasattr(kind, "shape"):
        return f"{name} {' x '.join(_thousands(n) for n in value.shape)}"
    if hasattr(kind, "dtype") and hasattr(kind, "shape"):
        return f"{name} {value.dtype} {tuple(value.shape)}" if value.shape else f"{name} {value}"
    if module == "qiskit" and hasattr(kind, "num_qubits"):
        terms = f", {_thousands(len(value))} terms" if hasattr(kind, "coeffs") else ""
        return f"{name} {value.num_qubits} qubits{terms}"
    if hasattr(kind, "__len__"):
        return f"{name} of {_items(len(value))}"
    return name


def _container(value: Any, name: str) -> str:
    kinds = {type(item).__name__ for _, item in zip(range(1000), value, strict=False)}
    return f"{name} of {_items(len(value))}" + (f", all {kinds.pop()}" if len(kinds) == 1 else "")


def estimate_bytes(value: Any, depth: int = 3) -> int:
    """What a value takes at least, in bytes, without touching its contents; 0 where that cannot be told."""
    kind = type(value)
    if kind in (bytes, bytearray, str):
        return len(value)
    if kind in (list, tuple, set, frozenset, dict):
        if depth == 0 or not value:
            return len(value)
        items = list(value.values()) if kind is dict else value
        sample = [estimate_bytes(item, depth - 1) for _, item in zip(range(2000), items, strict=False)]
        return len(value) + sum(sample) * len(value) // len(sample)
    try:
        size = getattr(value, "nbytes", None)
        if isinstance(size, int):
            return size
        if kind.__module__.startswith("pandas"):
            usage = value.memory_usage()
            return int(getattr(usage, "sum", lambda: usage)())
        if kind.__module__.startswith("scipy.sparse"):
            return sum(getattr(value, part).nbytes for part in ("data", "indices", "indptr") if hasattr(value, part))
    except Exception:  # noqa: BLE001 - an estimate may be wrong, never in the way
        return 0
    return 0


def megabytes(size: int) -> str:
    """`512 B`, `43.7 kB`, `268 MB`: powers of ten, three digits."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


def mebibytes(size: int) -> str:
    """`0.25 MiB`, `256 MiB`: as limits are set."""
    return f"{size / _MIB:.3g} MiB" if size < 1000 * _MIB else f"{size / _MIB:.0f} MiB"


def version_of(package: str) -> str | None:
    """Of a package that this process has imported; None otherwise."""
    version = getattr(sys.modules.get(package), "__version__", None)
    return version if isinstance(version, str) else None


def _items(count: int) -> str:
    return f"{count:,} item{'' if count == 1 else 's'}"


def _thousands(number: int) -> str:
    return f"{number:,}"
