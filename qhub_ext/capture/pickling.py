"""The pickler of a notebook's values: functions bound to the place where they are read, and references to names that travel."""

from __future__ import annotations

import functools
import pickle
import types
import warnings
import weakref
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import cloudpickle

from qhub_ext.capture.binding import NamespaceMark, travelling_name
from qhub_ext.capture.frozen import Chunk
from qhub_ext.capture.manifest import ALIGNMENT
from qhub_ext.capture.stays import why_it_stays

# what only `persistent_id` gets to see of a C pickler
CONTAINERS = frozenset({list, dict, set, bytearray})
_OUT_OF_BAND = 32 * 1024  # bytes; smaller buffers are not worth a place of their own


class Stays(Exception):
    """A value, or one inside it, cannot travel."""


class TooLarge(Exception):
    """The room that is left is used up."""


class Names(Protocol):
    """What a pickler asks while it works."""

    main: Mapping[str, Any]
    containers: int
    back: bool

    def reference(self, value: Any) -> str | None: ...

    def need(self, name: str) -> None: ...


class Pickled(NamedTuple):
    """Chunks of one file: a stream of so many bytes, then buffers (offset, length, read-only)."""

    chunks: list[Chunk]
    stream: int
    buffers: tuple[tuple[int, int, bool], ...]


def pickle_values(values: tuple[Any, ...], names: Names, room: int, *, alias: bool = False) -> Pickled:
    """One value, or a tuple of several that contain each other. `alias`: the value itself is a reference to its first name.

    Raises Stays, TooLarge, and whatever the classes of the values raise.
    """
    sink = _Sink(room)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about their own pickling; the user can do nothing about them
        _Pickler(sink, names, () if alias else values).dump(values[0] if len(values) == 1 else values)
    chunks, stream = sink.chunks, sum(len(chunk) for chunk in sink.chunks)
    end, places = stream, []
    for view in sink.buffers:
        padding = -end % ALIGNMENT
        chunks += [bytes(padding), view]
        places.append((end + padding, view.nbytes, view.readonly))
        end += padding + view.nbytes
    return Pickled(chunks, stream, tuple(places))


class _Sink:
    """Takes what a pickler writes, and stops it at the limit."""

    def __init__(self, room: int) -> None:
        self.chunks: list[Chunk] = []
        self.buffers: list[memoryview] = []
        self._left = room

    def write(self, data: Chunk) -> int:
        # a memoryview from the pickler does not own what it shows
        self.chunks.append(data if type(data) is bytes else bytes(data))
        self._count(len(data))
        return len(data)

    def buffer(self, buffer: pickle.PickleBuffer) -> bool:
        """For the pickler: True keeps a buffer in the stream."""
        view = buffer.raw()
        if view.nbytes < _OUT_OF_BAND:
            return True
        self.buffers.append(view)
        self._count(view.nbytes)
        return False

    def _count(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooLarge


class _Pickler(cloudpickle.Pickler):
    def __init__(self, sink: _Sink, names: Names, roots: tuple[Any, ...]) -> None:
        super().__init__(sink, protocol=5, buffer_callback=sink.buffer)
        self._names = names
        self._roots = frozenset(map(id, roots))
        # functions of the notebook find their globals in the namespace of the place where they are read
        self.globals_ref[id(names.main)] = NamespaceMark({"__name__": "__main__"})
        if names.containers > sum(type(root) in CONTAINERS for root in roots):
            self.persistent_id = self._persistent_id  # a Python call per object: only where it can find something

    def _persistent_id(self, value: Any) -> str | None:
        if type(value) in CONTAINERS and id(value) not in self._roots:
            return self._names.reference(value)
        return None

    def reducer_override(self, value: Any) -> Any:
        if id(value) not in self._roots:
            name = self._names.reference(value)
            if name is not None:
                return travelling_name, (name,)
            stays = why_it_stays(type(value))
            if stays is not None:
                raise Stays(f"holds {stays.sentence(back=self._names.back)}")
        reduce = _REDUCERS.get(type(value)) or (_error if isinstance(value, BaseException) else None)
        reduced = None if reduce is None else reduce(value)
        if reduced is not None:
            return reduced
        reduced = super().reducer_override(value)
        return _with_slots(value, reduced) if isinstance(value, type) and "__slots__" in vars(value) else reduced

    def _dynamic_function_reduce(self, func: types.FunctionType) -> Any:
        reduced = super()._dynamic_function_reduce(func)
        if func.__globals__ is self._names.main:
            slots = reduced[2][1]
            for name in slots["__globals__"]:
                self._names.need(name)
            slots["__globals__"] = {}
        return reduced


_Reduced = tuple[Any, ...] | None


def _with_slots(kind: type, reduced: Any) -> Any:
    """cloudpickle makes a class first and gives it `__slots__` afterwards, which is too late: its instances would have a `__dict__` in the job, and
    not be restored here.
    """
    made = isinstance(reduced, tuple) and reduced[0] is cloudpickle.cloudpickle._make_skeleton_class
    if not made or issubclass(kind, tuple):  # a NamedTuple has them by itself
        return reduced
    make, arguments, (names, slots), *rest = reduced
    meta, name, bases, body, *more = arguments
    names = {one: value for one, value in names.items() if not isinstance(value, types.MemberDescriptorType)}
    return make, (meta, name, bases, {**body, "__slots__": vars(kind)["__slots__"]}, *more), (names, slots), *rest


def _cached_function(value: Any) -> _Reduced:
    """`functools.lru_cache` around a function of the notebook, with nothing in it yet."""
    ours = getattr(value, "__module__", None) == "__main__"
    return (cached, (value.__wrapped__, value.cache_parameters())) if ours else None


def _cached_property(value: Any) -> _Reduced:
    """Without the lock that it has in Python 3.11."""
    return named_property, (value.func, value.attrname)


def _weak_keys(value: Any) -> _Reduced:
    """Such as what `functools.singledispatch` remembers."""
    return weak_keys, (dict(value.items()),)


def _error(value: BaseException) -> _Reduced:
    """An error whose `__init__` asks for something else than what it hands to `Exception` is made without it."""
    kind = type(value)
    own = kind.__reduce__ is not BaseException.__reduce__ or kind.__reduce_ex__ is not object.__reduce_ex__
    if own or not isinstance(kind.__init__, types.FunctionType):
        return None
    return error_of, (kind, value.args), dict(vars(value))


_REDUCERS: dict[type, Callable[[Any], _Reduced]] = {
    type(functools.lru_cache(lambda: None)): _cached_function,
    functools.cached_property: _cached_property,
    weakref.WeakKeyDictionary: _weak_keys,
}


# called by a pickle while it is read


def cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def named_property(function: Callable[[Any], Any], name: str | None) -> Any:
    made = functools.cached_property(function)
    made.attrname = name
    return made


def weak_keys(items: dict[Any, Any]) -> Any:
    return weakref.WeakKeyDictionary(items)


def error_of(kind: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    made = kind.__new__(kind)
    made.args = arguments
    return made
