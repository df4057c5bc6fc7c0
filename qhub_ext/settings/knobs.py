"""Every knob as a row: for `qhub doctor --settings`, for the documentation, and for the names of variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from qhub_ext.settings.whole import Settings


def describe_settings() -> list[tuple[str, str, str]]:
    """(dotted name, default, sentence) of every knob, for `qhub doctor --settings` and the documentation."""
    return [
        (dotted, "" if info.default_factory is not None else str(info.default), info.description or "")
        for dotted, info in _knobs(Settings)
    ]


def describe_tables() -> list[tuple[str, str, str]]:
    """(dotted name of the table, key, sentence) of every knob that there is once for each name or entry, such as those of `slurm.tiers`."""
    return [
        (dotted, key, field.description or "")
        for dotted, info in _knobs(Settings)
        for inner in get_args(info.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel)
        for key, field in inner.model_fields.items()
    ]


def _knobs(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Each field that is no section of its own, by its dotted name."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _knobs(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info
