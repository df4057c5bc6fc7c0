"""What values lose on the way into a job without anybody seeing it, in sentences: memory that two arrays share, and what was done to a logger."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_LOOKS = 1000
"""Of numpy's exact search for a shared element, which may take for ever; what it cannot tell by then is taken as shared."""


def losses(going: Collection[str], changed: Collection[str], namespace: Mapping[str, Any]) -> list[str]:
    """Of the names that go along; `changed` are those that the cell changes in place."""
    values = {name: namespace[name] for name in sorted(going) if name in namespace}
    return [*_apart(values, changed), *_unheard(values)]


def _apart(values: Mapping[str, Any], changed: Collection[str]) -> Iterator[str]:
    numpy = sys.modules.get("numpy")
    if numpy is None or not changed:
        return
    arrays = {name: value for name, value in values.items() if isinstance(value, numpy.ndarray)}
    for name in sorted(set(changed) & set(arrays)):
        others = [n for n, other in arrays.items() if n != name and _share(numpy, arrays[name], other)]
        if others:
            listed = ", ".join(f"`{other}`" for other in others)
            yield (
                f"`{name}` shares its memory with {listed} here; in the job each has its own, so that what the cell changes "
                "in one does not show in the other. Take one from the other inside the cell."
            )


def _share(numpy: Any, one: Any, other: Any) -> bool:
    if one is other:  # the same object under two names stays the same
        return False
    if not numpy.may_share_memory(one, other):
        return False
    try:
        return bool(numpy.shares_memory(one, other, max_work=_LOOKS))
    except numpy.exceptions.TooHardError:
        return True


def _unheard(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, logging.Logger) and (value.hasHandlers() or value.getEffectiveLevel() != logging.WARNING):
            yield (
                f"`{name}` goes along by its name; the levels and handlers that the notebook gave to it, or to those above it, "
                "stay here. logging.basicConfig(...) in the cell shows what it logs."
            )
