"""Values of a namespace, each turned into one file: QPY for circuits, an import for modules, cloudpickle for the rest.

Each name is frozen alone, so that one which cannot travel is reported alone. What functions and methods of the notebook need
is found while they are frozen, and travels too. A value that is met inside another one, and has a name of its own that
travels, is kept once: the other refers to it, so that both are the same object again on the other side.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import platform
import sys
import types
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cloudpickle

from qhub_ext.capture.binding import NamespaceMark, travelling_name
from qhub_ext.capture.circuits import to_qpy
from qhub_ext.capture.manifest import ALIGNMENT, Entry, Form, Manifest, write_manifest
from qhub_ext.capture.names import travels
from qhub_ext.capture.thaw import thaw, thaw_one
from qhub_ext.capture.values import estimate_bytes, megabytes, summarise, type_name, version_of, why_it_stays
from qhub_ext.errors import CaptureError

__all__ = ["Frozen", "Row", "freeze", "preview", "thaw", "thaw_one"]

Chunk = bytes | memoryview
_OUT_OF_BAND = 32 * 1024  # bytes; smaller buffers are not worth a place of their own
_MIB = 1 << 20


@dataclass
class Frozen:
    """`parts` holds the chunks of each file; large arrays are views of the values themselves, so write soon."""

    manifest: Manifest
    parts: dict[str, list[Chunk]] = field(default_factory=dict)
    limit_mb: int = 0

    @property
    def failed(self) -> dict[str, str]:
        return self.manifest.failed

    @property
    def files(self) -> dict[str, bytes]:
        return {name: b"".join(chunks) for name, chunks in self.parts.items()}

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.manifest.names.values())

    def write(self, directory: Path) -> None:
        """The manifest comes last: a folder without one was not finished."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, chunks in self.parts.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with open(os.open(directory / name, flags, 0o600), "wb", buffering=0) as file:
                for chunk in chunks:
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
        write_manifest(directory, self.manifest)

    def require(self, names: Iterable[str] | None = None) -> None:
        """Raises one CaptureError about all of `names` (default: all) that cannot travel."""
        wanted = self.failed if names is None else {n: self.failed[n] for n in names if n in self.failed}
        if not wanted:
            return
        head = (
            "A value cannot travel with the cell"
            if len(wanted) == 1
            else f"{len(wanted)} values cannot travel with the cell"
        )
        lines = "; ".join(sentence.rstrip(".") for sentence in wanted.values())
        raise CaptureError(
            f"{head}: {lines}.",
            advice=f"To submit without: --without {','.join(wanted)}.",
        )


class Row(NamedTuple):
    """One line of a preview; `size` is for people, `bytes` for sorting, `note` says why it travels or why it cannot."""

    name: str
    kind: str
    summary: str
    size: str
    bytes: int
    note: str


def preview(frozen: Frozen) -> list[Row]:
    rows = [
        Row(
            name,
            entry.type.rpartition(".")[2],
            entry.summary,
            "import" if entry.form == "module" else megabytes(entry.bytes),
            entry.bytes,
            "needed by another name" if entry.implied else "",
        )
        for name, entry in frozen.manifest.names.items()
    ]
    rows += [Row(name, "", "", "", 0, sentence) for name, sentence in frozen.failed.items()]
    return rows


def freeze(
    names: Iterable[str],
    namespace: Mapping[str, Any],
    *,
    limit_mb: float,
    main: dict[str, Any] | None = None,
) -> Frozen:
    """Names that are not in the namespace are reported as failed, like values that cannot travel.

    `main` is the namespace in which notebook functions live, if it is not `namespace` itself. `limit_mb` is in MiB, for all
    values together; the smallest travel first, so that a large one does not take others with it. May be interrupted.
    """
    return _Freezer(namespace, main, int(limit_mb * _MIB)).run(list(dict.fromkeys(names)))


class _Stays(Exception):
    """The value inside another one that cannot travel; the message is the second half of a sentence."""


class _TooLarge(Exception):
    pass


class _Sink:
    """Takes what a pickler writes, and stops it at the limit."""

    def __init__(self, room: int) -> None:
        self.chunks: list[Chunk] = []
        self.buffers: list[memoryview] = []
        self.size = 0
        self._room = room

    def write(self, data: Chunk) -> int:
        # a memoryview from the pickler does not own what it shows
        self.chunks.append(data if type(data) is bytes else bytes(data))
        return self._count(len(data))

    def buffer(self, buffer: pickle.PickleBuffer) -> bool:
        """For the pickler: True keeps a buffer in the stream."""
        view = buffer.raw()
        if view.nbytes < _OUT_OF_BAND:
            return True
        self.buffers.append(view)
        self._count(view.nbytes)
        return False

    def _count(self, size: int) -> int:
        self.size += size
        if self.size > self._room:
            raise _TooLarge
        return size


class _Freezer:
    def __init__(self, namespace: Mapping[str, Any], main: dict[str, Any] | None, limit: int) -> None:
        self.namespace = namespace
        self.main: Mapping[str, Any] = namespace if main is None else main
        self._limit = limit
        self._left = limit
        self._asked: set[str] = set()
        self._queue: list[str] = []
        self._busy: list[str] = []
        self._owner: dict[int, str] = {}
        self._needs: dict[str, list[str]] = {}
        self._wanted_by: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}
        self._parts: dict[str, list[Chunk]] = {}
        self._failed: dict[str, str] = {}
        self._notes: list[str] = []
        self.containers = 0  # owned values that only `persistent_id` gets to see

    def run(self, names: list[str]) -> Frozen:
        self._asked.update(names)
        for name in names:
            if name in self.namespace:
                self._own(name)
            else:
                self._failed[name] = f"`{name}` does not exist in this notebook"
        # code first: it says which other names travel, before a value holding one of those is written
        self._queue = sorted((n for n in names if n in self.namespace), key=self._order)
        while self._queue:
            self.settle(self._queue.pop(0))
        order = {name: place for place, name in enumerate(names)}
        manifest = Manifest(
            names=dict(sorted(self._entries.items(), key=lambda item: order.get(item[0], len(order)))),
            failed=self._failed,
            notes=tuple(dict.fromkeys(self._notes)),
            python=platform.python_version(),
            packages={p: v for p in ("cloudpickle", "qiskit", "numpy", "pandas") if (v := version_of(p))},
        )
        return Frozen(manifest, self._parts, self._limit // _MIB)

    def _order(self, name: str) -> tuple[int, int]:
        value = self.namespace[name]
        return (0, 0) if isinstance(value, (types.FunctionType, type)) else (1, estimate_bytes(value))

    def _own(self, name: str) -> None:
        value = self.namespace[name]
        if type(value) not in _ATOMS:
            self._owner.setdefault(id(value), name)
            self.containers += type(value) in _CONTAINERS

    def need(self, name: str) -> None:
        """A function that is being frozen reads `name` of the notebook."""
        if name not in self.namespace or not travels(name, self.namespace[name]):
            return
        self._needs.setdefault(self._busy[-1], []).append(name)
        if name in self._entries or name in self._failed or name in self._wanted_by or name in self._asked:
            return
        self._wanted_by[name] = self._busy[-1]
        self._own(name)
        self._queue.append(name)

    def reference(self, value: Any) -> str | None:
        """The name under which a value met inside another one travels; freezes it first. None if it has none."""
        name = self._owner.get(id(value))
        if name is None:
            name = self._notebook_name(value)
            if name is None:
                return None
        if name in self._busy:  # it contains itself, by way of others
            return None
        self._needs.setdefault(self._busy[-1], []).append(name)
        self.settle(name)
        if name in self._failed:
            raise _Stays(f"holds `{name}`, which cannot travel")
        return name

    def _notebook_name(self, value: Any) -> str | None:
        """A function or class of the notebook that is met by chance travels under its own name."""
        if not isinstance(value, (types.FunctionType, type)) or value.__module__ != "__main__":
            return None
        name = value.__name__
        current = self.namespace.get(name)
        if current is not value:
            if isinstance(value, type) and isinstance(current, type) and value.__qualname__ == current.__qualname__:
                self._notes.append(
                    f"`{self._busy[-1]}` was made by an earlier definition of class `{name}`: in the job, isinstance() with "
                    f"the present one is False. Make it again to mend that."
                )
            return None
        self._wanted_by.setdefault(name, self._busy[-1])
        self._own(name)
        return name

    def settle(self, name: str) -> None:
        if name in self._entries or name in self._failed:
            return
        value = self.namespace[name]
        self._busy.append(name)
        try:
            self._settle(name, value)
        finally:
            self._busy.pop()

    def _settle(self, name: str, value: Any) -> None:
        stays = why_it_stays(type(value))
        room = self._left
        try:
            if stays is not None:
                raise _Stays(f"is {stays[0]}; {stays[1]}")
            if isinstance(value, types.ModuleType):
                self._entries[name] = self._module(name, value)
                return
            if estimate_bytes(value) > room:
                raise _TooLarge
            form, parts, extra = self._serialise(name, value, room)
        except _Stays as error:
            self._failed[name] = f"`{name}` {error}{self._because(name)}"
            return
        except _TooLarge:
            self._failed[name] = self._too_large(name, value)
            return
        except Exception as error:  # noqa: BLE001 - any class may raise anything while it is pickled
            reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200]
            self._failed[name] = (
                f"`{name}` ({type_name(value)}) cannot be copied ({reason}); create it inside the cell{self._because(name)}"
            )
            return
        size = sum(len(part) for part in parts)
        self._left -= size
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        suffix = "qpy" if form.startswith("qpy") else "pickle"
        place = f"{len(self._parts):03d}"
        file = f"{place}-{name}.{suffix}" if name.isascii() and len(name) <= 100 else f"{place}.{suffix}"
        self._parts[file] = parts
        self._entries[name] = Entry(
            form=form,
            type=type_name(value),
            summary=summarise(value),
            file=file,
            bytes=size,
            digest=f"sha256:{digest.hexdigest()}",
            needs=tuple(dict.fromkeys(self._needs.get(name, ()))),
            implied=name not in self._asked,
            **extra,
        )

    def _owns_all(self, value: Any) -> bool:
        return type(value) in (list, tuple) and bool(value) and all(id(item) in self._owner for item in value)

    def _because(self, name: str) -> str:
        user = self._wanted_by.get(name)
        return f" (`{user}` needs it)" if user and name not in self._asked else ""

    def _too_large(self, name: str, value: Any) -> str:
        used = self._limit - self._left
        size = estimate_bytes(value)
        said = f"is {megabytes(size)}" if size > self._left else f"is over {megabytes(self._left)}"
        beside = f" beside {megabytes(used)} of other values" if used > self._limit // 10 else ""
        return (
            f"`{name}` ({summarise(value)}) {said}{beside}, and {megabytes(self._limit)} may travel in all; save it to a file and "
            f"read that inside the cell, or raise limits.capture_mb in qhub.toml{self._because(name)}"
        )

    def _module(self, name: str, module: types.ModuleType) -> Entry:
        found = importable_name(module)
        if found is None:
            raise _Stays(
                "is a module that was made at run time and cannot be imported by name; import it inside the cell"
            )
        return Entry("module", "module", f"module {found}", module=found, implied=name not in self._asked)

    def _serialise(self, name: str, value: Any, room: int) -> tuple[Form, list[Chunk], dict[str, Any]]:
        alias = self._owner.get(id(value), name) != name  # a second name of the same object stays one
        # a list of circuits which all travel under names of their own is a list of these names
        circuits = None if alias or self._owns_all(value) else to_qpy(value)
        if circuits is not None:
            if len(circuits.data) > room:
                raise _TooLarge
            if circuits.container:
                return "qpy_list", [circuits.data], {"container": circuits.container, "order": circuits.order}
            return "qpy", [circuits.data], {}
        sink = _Sink(room)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries about their own pickling; the user can do nothing about them
            _Pickler(sink, self, None if alias else value).dump(value)
        parts, stream = sink.chunks, sum(len(chunk) for chunk in sink.chunks)
        end, places = stream, []
        for view in sink.buffers:
            padding = -end % ALIGNMENT
            parts += [bytes(padding), view]
            places.append((end + padding, view.nbytes, view.readonly))
            end += padding + view.nbytes
        return "pickle", parts, {"stream": stream, "buffers": tuple(places)}


class _Pickler(cloudpickle.Pickler):
    def __init__(self, sink: _Sink, freezer: _Freezer, root: Any) -> None:
        super().__init__(sink, protocol=5, buffer_callback=sink.buffer)
        self._freezer = freezer
        self._root = root
        # functions of the notebook find their globals in the namespace of the place where they are read
        self.globals_ref[id(freezer.main)] = NamespaceMark({"__name__": "__main__"})
        if freezer.containers > (type(root) in _CONTAINERS):
            # a Python call per object: only when another name is a list or dict, which no other hook gets to see
            self.persistent_id = self._persistent_id

    def _persistent_id(self, value: Any) -> str | None:
        if type(value) in _CONTAINERS and value is not self._root:
            return self._freezer.reference(value)
        return None

    def reducer_override(self, value: Any) -> Any:
        if value is not self._root:
            name = self._freezer.reference(value)
            if name is not None:
                return travelling_name, (name,)
            stays = why_it_stays(type(value))
            if stays is not None:
                raise _Stays(f"holds {stays[0]}; {stays[1]}")
        return super().reducer_override(value)

    def _dynamic_function_reduce(self, func: types.FunctionType) -> Any:
        reduced = super()._dynamic_function_reduce(func)
        if func.__globals__ is self._freezer.main:
            slots = reduced[2][1]
            for name in slots["__globals__"]:
                self._freezer.need(name)
            slots["__globals__"] = {}
        return reduced


_CONTAINERS = frozenset({list, dict, set, bytearray})
_ATOMS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), types.ModuleType}
)


def importable_name(module: types.ModuleType) -> str | None:
    """The name by which `import` finds this very module, here and in another process; None for one made at run time."""
    name = module.__name__
    if name == "__main__":
        return name
    if sys.modules.get(name) is not module:  # such as `os.path`, which calls itself posixpath
        name = next((n for n, m in sys.modules.items() if m is module), "")
    spec = getattr(module, "__spec__", None)
    if not name or spec is None:
        return None
    if spec.origin is None and spec.loader is None and not spec.submodule_search_locations:
        return None
    return name
