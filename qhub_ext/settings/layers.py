"""Several files and the environment on top of each other, and which of them each value came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def nest(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def merge(
    into: dict[str, Any], layer: dict[str, Any], source: str, origin: dict[tuple[str, ...], str], at: tuple[str, ...]
) -> None:
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(into.get(key, {}), dict):
            origin[(*at, key)] = source
            merge(into.setdefault(key, {}), value, source, origin, (*at, key))
        else:
            into[key] = value
            origin[(*at, key)] = source


def value_at(layer: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    found: Any = layer
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    try:
        return None if found is None or isinstance(found, bool) else float(found)
    except (TypeError, ValueError):  # it is refused, with its place, when all is read
        return None
