"""Whether what was read from JSON is of the kinds that are written there: a damaged record may still be JSON.

A shape is a dataclass or a TypedDict; what stands beside its names says what fits: `int`, `str | None`, `list[str]`, another TypedDict.
A name that is missing fits a TypedDict, and one that no shape knows fits everywhere: a newer version may have written it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

_SCALARS = (int, str, bool, NoneType)


def unfit(record: Mapping[str, Any], shape: type) -> list[str]:
    """The names whose values are of another kind than is written there."""
    fast, slow = _kinds(shape)
    return [
        name
        for name, value in record.items()
        if not (type(value) in fast[name] if name in fast else name not in slow or fits(value, slow[name]))
    ]


def sift(record: Mapping[str, Any], shape: type) -> tuple[dict[str, Any], list[str]]:
    """The record without those names, and the names."""
    wrong = unfit(record, shape)
    return {name: value for name, value in record.items() if name not in wrong}, wrong


def fits(value: Any, kind: Any) -> bool:
    return _test_of(kind)(value)


@functools.cache
def _test_of(kind: Any) -> Callable[[Any], bool]:
    if kind is Any:
        return lambda _: True
    if kind is float:
        return lambda value: type(value) is int or (type(value) is float and math.isfinite(value))
    if kind in _SCALARS:
        return lambda value: type(value) is kind
    if is_typeddict(kind):
        return lambda value: isinstance(value, dict) and not unfit(value, kind)
    if is_dataclass(kind):
        return lambda value: type(value) is kind and not unfit(vars(value), kind)
    origin, parts = get_origin(kind), [_test_of(part) for part in get_args(kind) if part is not ...]
    if origin in (Union, UnionType):
        return lambda value: any(test(value) for test in parts)
    if origin in (list, tuple):
        return lambda value: isinstance(value, list | tuple) and all(map(parts[0], value))
    if origin in (dict, Mapping):
        return lambda value: isinstance(value, dict) and all(map(parts[1], value.values()))
    raise TypeError(f"{kind!r} is no kind of JSON value.")


@functools.cache
def _kinds(shape: type) -> tuple[dict[str, frozenset[type]], dict[str, Any]]:
    """Of each name the types that fit, where these tell it (a listing reads thousands of records), else its kind."""
    fast: dict[str, frozenset[type]] = {}
    slow: dict[str, Any] = {}
    for name, kind in get_type_hints(shape).items():
        parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
        if all(part in _SCALARS for part in parts):
            fast[name] = frozenset(NoneType if part is None else part for part in parts)
        else:
            slow[name] = kind
    return fast, slow
