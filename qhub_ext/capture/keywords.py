"""Requests that come as names and values, of a program, a front end or a notebook, and not as a line. The line's own readers read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhub_ext.capture.command import parse_words
from qhub_ext.capture.options import OPTIONS
from qhub_ext.capture.request import Request
from qhub_ext.errors import InvalidOptionError, UnknownNameError

CHOICES = ("tier", "device", "shots", "seed", "profile", "time_s", "cpus", "memory_mb", "site")
"""Fields of a Request that may hold for a whole notebook."""
_UNITS = {"time_s": "s", "memory_mb": "M"}


def request_from_json(wanted: Any, *, strict: bool = True) -> Request:
    """What a front end or a notebook's metadata chose, by the names of CHOICES: {"tier": "emulation", "shots": 200}.

    Read by the readers of the line; null chooses nothing. Names that are no choice are left out unless `strict`.
    """
    if not isinstance(wanted, dict):
        raise InvalidOptionError("A choice is an object of names and values, such as {'tier': 'local'}.")
    flags = {option.key: option.flag for option in OPTIONS if option.key in CHOICES}
    unknown = [name for name in wanted if name not in flags]
    if unknown and strict:
        raise UnknownNameError.among("choice", str(unknown[0]), list(CHOICES))
    words = [f"{flags[n]}={v}{_UNITS.get(n, '')}" for n, v in wanted.items() if n in flags and v is not None]
    request, _ = parse_words(words)
    if len(request.tiers) > 1:
        raise InvalidOptionError("A notebook has one tier at a time.", advice=f"It was given {request.tier}.")
    return request


_OF_A_LINE = {"wait", "dry-run", "as"}


def request_from_keywords(options: Mapping[str, Any]) -> Request:
    """What a program asks for: {"tier": "emulation", "time": "10m", "inputs": ["a"]}, by the names of options or of fields.

    Read by the readers of the line; None asks for nothing.
    """
    by_name = {option.key: option for option in OPTIONS if option.name not in _OF_A_LINE}
    by_name |= {option.name.replace("-", "_"): option for option in by_name.values()}
    words: list[str] = []
    lists: dict[str, Any] = {}
    for name, value in options.items():
        if name not in by_name:
            raise UnknownNameError.among("option", name, sorted(by_name))
        option = by_name[name]
        if option.kind == "flag":
            words += [option.flag] * bool(value)
        elif isinstance(value, Mapping) and option.kind == "sweep":
            lists |= value
            words += [f"{option.flag}={each}={each}" for each in value]
        elif isinstance(value, Mapping):
            words += [f"{option.flag}={key}={each}" for key, each in value.items()]
        elif isinstance(value, (list, tuple)):
            words += [f"{option.flag}={each}" for each in value]
        elif value is not None:
            words.append(f"{option.flag}={value}{_UNITS.get(name, '')}")
    request, _ = parse_words(words, lists)
    if len(request.tiers) > 1:
        raise InvalidOptionError("One job has one tier.", advice="Submit it once per tier.")
    return request
