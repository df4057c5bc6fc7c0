"""Values of a namespace, each turned into one file: QPY for circuits, an import for modules, cloudpickle for the rest.

Each name is frozen alone, so that one which cannot travel is reported alone. What functions and methods of the notebook need
is found while they are frozen, and travels too. A value that is met inside another one, and has a name of its own that
travels, is kept once: the other refers to it, so that both are the same object again on the other side. Values that contain each other share a file.
"""

from __future__ import annotations

import hashlib
import platform
import sys
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qhub_ext.capture.circuits import to_qpy
from qhub_ext.capture.frozen import Chunk, Frozen, Row, preview
from qhub_ext.capture.manifest import Entry, Form, Manifest
from qhub_ext.capture.names import travels
from qhub_ext.capture.pickling import CONTAINERS, Stays, TooLarge, pickle_values
from qhub_ext.capture.stays import why_it_stays
from qhub_ext.capture.thaw import thaw, thaw_one
from qhub_ext.capture.values import estimate_bytes, mebibytes, summarise, type_name, version_of

__all__ = ["Frozen", "Row", "freeze", "preview", "thaw", "thaw_one"]

_MIB = 1 << 20
# nothing can tell two of these apart
_ATOMS = frozenset(
    {type(None), bool, int, float, complex, str, bytes, type(...), type(NotImplemented), types.ModuleType}
)


def freeze(
    names: Iterable[str],
    namespace: Mapping[str, Any],
    *,
    limit_mb: float,
    main: dict[str, Any] | None = None,
    without: Iterable[str] = (),
    setting: str = "limits.capture_mb",
    back: bool = False,
) -> Frozen:
    """Names that are not in the namespace are reported as failed, like values that cannot travel.

    `main` is the namespace in which notebook functions live, if it is not `namespace` itself. `limit_mb` is in MiB, for all
    values together; the smallest travel first, so that a large one does not take others with it, and `setting` is what the
    message names. `without` are names that stay although a function reads them. `back` says that they would come back from
    a job, and not go along with a cell, which is other advice where they cannot. May be interrupted.
    """
    left_out = frozenset(without)
    freezer = _Freezer(namespace, main, int(limit_mb * _MIB), left_out, setting, back)
    return freezer.run([name for name in dict.fromkeys(names) if name not in left_out])


class _Circle(Exception):
    """A value contains one that is being frozen: these belong into one file."""

    def __init__(self, depth: int, members: list[str]) -> None:
        super().__init__(depth, members)
        self.depth = depth
        self.members = members


class _Freezer:
    def __init__(
        self,
        namespace: Mapping[str, Any],
        main: dict[str, Any] | None,
        limit: int,
        without: frozenset[str],
        setting: str,
        back: bool,
    ) -> None:
        self.namespace = namespace
        self.main: Mapping[str, Any] = namespace if main is None else main
        self._limit = limit
        self._without = without
        self._setting = setting
        self.back = back
        self._left = limit
        self._asked: set[str] = set()
        self._queue: list[str] = []
        self._busy: list[list[str]] = []  # what is being pickled now, each inside the one before
        self._owner: dict[int, str] = {}
        self._needs: dict[str, list[str]] = {}
        self._wanted_by: dict[str, str] = {}
        self._entries: dict[str, Entry] = {}
        self._parts: dict[str, list[Chunk]] = {}
        self._failed: dict[str, str] = {}
        self._notes: list[str] = []
        self.containers = 0

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
        return Frozen(manifest, self._parts)

    def _order(self, name: str) -> tuple[int, int]:
        value = self.namespace[name]
        return (0, 0) if isinstance(value, (types.FunctionType, type)) else (1, estimate_bytes(value))

    def _own(self, name: str) -> None:
        value = self.namespace[name]
        if type(value) not in _ATOMS:
            self._owner.setdefault(id(value), name)
            self.containers += type(value) in CONTAINERS

    def need(self, name: str) -> None:
        """A function that is being frozen reads `name` of the notebook."""
        if name not in self.namespace or name in self._without or not travels(name, self.namespace[name]):
            return
        user = self._busy[-1][0]
        self._needs.setdefault(user, []).append(name)
        if name in self._entries or name in self._failed or name in self._wanted_by or name in self._asked:
            return
        self._wanted_by[name] = user
        self._own(name)
        self._queue.append(name)

    def reference(self, value: Any) -> str | None:
        """The name under which a value met inside another one travels; freezes it first. None if it has none."""
        name = self._owner.get(id(value))
        if name is None:
            name = self._notebook_name(value)
            if name is None:
                return None
        if name in self._busy[-1]:
            return None
        for depth, group in enumerate(self._busy):
            if name in group:
                raise _Circle(depth, [member for above in self._busy[depth + 1 :] for member in above])
        self._needs.setdefault(self._busy[-1][0], []).append(name)
        self.settle(name)
        if name in self._failed:
            why = self._failed[name].removesuffix(self._because(name))
            raise Stays(f"holds `{name}`, " + ("which cannot travel" if name in self._asked else f"and {why}"))
        return name

    def _notebook_name(self, value: Any) -> str | None:
        """A function or class of the notebook that is met by chance travels under its own name."""
        if not isinstance(value, (types.FunctionType, type)) or value.__module__ != "__main__":
            return None
        name, user = value.__name__, self._busy[-1][0]
        current = self.namespace.get(name)
        if current is not value:
            # a class may hold what it was made from, as that of a dataclass with slots does
            alike = isinstance(value, type) and isinstance(current, type) and value.__qualname__ == current.__qualname__
            if alike and user != name:
                self._notes.append(
                    f"`{user}` was made by an earlier definition of class `{name}`: in the job, isinstance() with "
                    f"the present one is False. Make it again to mend that."
                )
            return None
        self._wanted_by.setdefault(name, user)
        self._own(name)
        return name

    def settle(self, name: str) -> None:
        """Freezes a name, together with those that contain it and that it contains."""
        if name in self._entries or name in self._failed:
            return
        depth, group = len(self._busy), [name]
        while True:
            self._busy.append(group)
            try:
                self._settle(group)
                return
            except _Circle as circle:
                if circle.depth < depth:
                    raise
                group = sorted({*group, *circle.members}, key=self._depth)
            finally:
                self._busy.pop()

    def _depth(self, name: str) -> tuple[int, str]:
        """Classes before what is made of them, bases before what is derived: a class is made once its bases are."""
        value = self.namespace[name]
        return (len(type.mro(value)) if isinstance(value, type) else 1 << 20, name)

    def _settle(self, group: list[str]) -> None:
        values = tuple(self.namespace[name] for name in group)
        try:
            for value in values:
                stays = why_it_stays(type(value))
                if stays is not None:
                    raise Stays(f"is {stays.sentence(back=self.back)}")
            if isinstance(values[0], types.ModuleType):
                self._entries[group[0]] = self._module(group[0], values[0])
                return
            if sum(map(estimate_bytes, values)) > self._left:
                raise TooLarge
            form, parts, extra = self._serialise(group, values)
        except _Circle:
            raise
        except Stays as error:
            said = str(error)
            self._fail(group, values, lambda name, _: f"`{name}` {said}")
        except TooLarge:
            self._fail(group, values, self._too_large)
        except Exception as error:  # noqa: BLE001 - any class may raise anything while it is pickled
            reason = (str(error) or type(error).__name__).strip().splitlines()[0][:200].rstrip(".")
            self._fail(
                group,
                values,
                lambda name, value: (
                    f"`{name}` ({type_name(value)}) cannot be copied ({reason}); "
                    + ("let the cell keep a plain form of it" if self.back else "create it inside the cell")
                ),
            )
        else:
            self._keep(group, values, form, parts, extra)

    def _fail(self, group: list[str], values: tuple[Any, ...], sentence: Callable[[str, Any], str]) -> None:
        for name, value in zip(group, values, strict=True):
            self._failed[name] = sentence(name, value) + self._because(name)

    def _keep(
        self, group: list[str], values: tuple[Any, ...], form: Form, parts: list[Chunk], extra: dict[str, Any]
    ) -> None:
        size = sum(len(part) for part in parts)
        self._left -= size
        digest = hashlib.sha256()
        for part in parts:
            digest.update(part)
        first, place = group[0], f"{len(self._parts):03d}"
        suffix = "qpy" if form.startswith("qpy") else "pickle"
        file = f"{place}-{first}.{suffix}" if first.isascii() and len(first) <= 100 else f"{place}.{suffix}"
        self._parts[file] = parts
        needs = [name for member in group for name in self._needs.get(member, ())]
        for number, (name, value) in enumerate(zip(group, values, strict=True)):
            self._entries[name] = Entry(
                form=form,
                type=type_name(value),
                summary=summarise(value),
                file=file,
                bytes=size,
                digest=f"sha256:{digest.hexdigest()}",
                needs=tuple(dict.fromkeys(needs)),
                implied=name not in self._asked,
                member=number,
                group=len(group),
                **extra,
            )

    def _serialise(self, group: list[str], values: tuple[Any, ...]) -> tuple[Form, list[Chunk], dict[str, Any]]:
        # a second name of the same object is a reference to the first
        alias = len(group) == 1 and self._owner.get(id(values[0]), group[0]) != group[0]
        # a list of circuits which all travel under names of their own is a list of these names
        circuits = None if alias or len(group) > 1 or self._owns_all(values[0]) else to_qpy(values[0])
        if circuits is not None:
            if len(circuits.data) > self._left:
                raise TooLarge
            if circuits.container:
                return "qpy_list", [circuits.data], {"container": circuits.container, "order": circuits.order}
            return "qpy", [circuits.data], {}
        pickled = pickle_values(values, self, self._left, alias=alias)
        return "pickle", pickled.chunks, {"stream": pickled.stream, "buffers": pickled.buffers}

    def _owns_all(self, value: Any) -> bool:
        return type(value) in (list, tuple) and bool(value) and all(id(item) in self._owner for item in value)

    def _because(self, name: str) -> str:
        user = self._wanted_by.get(name)
        return f" (`{user}` needs it)" if user and name not in self._asked else ""

    def _too_large(self, name: str, value: Any) -> str:
        used = self._limit - self._left
        size = estimate_bytes(value)
        said = f"is {mebibytes(size)}" if size > self._left else f"is over {mebibytes(self._left)}"
        beside = f" beside {mebibytes(used)} of other values" if used > self._limit // 10 else ""
        mend = (
            "let the cell save it to a file, and read that in the notebook"
            if self.back
            else "save it to a file and read that inside the cell"
        )
        return (
            f"`{name}` ({summarise(value)}) {said}{beside}, and {mebibytes(self._limit)} may travel in all; {mend}, or raise "
            f"{self._setting} in qhub.toml"
        )

    def _module(self, name: str, module: types.ModuleType) -> Entry:
        found = importable_name(module)
        if found is None:
            raise Stays(
                "is a module that was made at run time and cannot be imported by name; import it inside the cell"
            )
        return Entry("module", "module", f"module {found}", module=found, implied=name not in self._asked)


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
