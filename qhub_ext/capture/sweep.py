"""`--sweep NAME=VALUES`: one element of an array per value, the product of all sweeps.

theta=0.1,0.2,0.3     a list of numbers or words
theta=0:1:11          eleven values from 0 to 1, both included
theta=range(0,10,2)   what Python's range makes
theta=thetas          the list or array of that name in the notebook
"""

from __future__ import annotations

import ast
import itertools
import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qhub_ext.capture.names import is_history
from qhub_ext.errors import InvalidOptionError, UnknownNameError

ACCEPTED_ANYWHERE = "NAME=1,2,3 or NAME=START:STOP:COUNT or NAME=range(N)"
ACCEPTED = f"{ACCEPTED_ANYWHERE} or NAME=LIST, where LIST is a list or array of the notebook"
LARGEST = 10_000
"""Elements of one array: each has a folder of its own."""


@dataclass(frozen=True)
class Sweep:
    """`values` are JSON: numbers, words, truth values, None, and lists of them."""

    name: str
    values: tuple[Any, ...]


def parse_sweep(text: str, namespace: Mapping[str, Any]) -> Sweep:
    name, equals, given = (part.strip() for part in text.partition("="))
    if not equals or not given:
        raise InvalidOptionError(f"--sweep {text!r} has no values.", advice=f"Write {ACCEPTED}.")
    if not name.isidentifier():
        raise InvalidOptionError(f"--sweep: {name!r} is not a name that a cell could use.", advice=f"Write {ACCEPTED}.")
    values = _values(name, given, namespace)
    if not values:
        raise InvalidOptionError(f"--sweep {name}: {given!r} is empty.", advice=f"Write {ACCEPTED}.")
    _within_limit(len(values))
    return Sweep(name, tuple(values))


def elements(sweeps: Iterable[Sweep]) -> list[dict[str, Any]]:
    """What each element of the array sees, the last sweep changing fastest. Empty without sweeps."""
    found = list(sweeps)
    names = [sweep.name for sweep in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise InvalidOptionError(f"--sweep {sorted(twice)[0]} is given twice.", advice="Put all its values into one.")
    if not found:
        return []
    _within_limit(math.prod(len(sweep.values) for sweep in found))
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*(s.values for s in found))]


def _within_limit(count: int) -> None:
    if count > LARGEST:
        raise InvalidOptionError(
            f"--sweep makes {count:,} elements; one array takes at most {LARGEST:,}.", advice="Split it into several."
        )


def _values(name: str, given: str, namespace: Mapping[str, Any]) -> list[Any]:
    if given.isidentifier() and given not in {"True", "False", "None"}:
        return _of_notebook(name, given, namespace)
    if "," not in given and given.count(":") and given[0] not in "\"'":
        return _range(name, given)
    counted = _python_range(name, given)
    if counted is not None:
        return counted
    return [_literal(name, part) for part in _split(name, given)]


def _of_notebook(name: str, given: str, namespace: Mapping[str, Any]) -> list[Any]:
    if given not in namespace:
        known = sorted(n for n, v in namespace.items() if not (n.startswith("_") or is_history(n)) and _is_sequence(v))
        advice = f"To sweep over that one word, write --sweep {name}=[{given}]."
        raise UnknownNameError.among("list", given, known, advice=advice)
    value = namespace[given]
    if not _is_sequence(value):
        raise InvalidOptionError(
            f"--sweep {name}={given}: `{given}` is {type(value).__name__}, not a list, tuple, range or array.",
            advice=f"Write {ACCEPTED}.",
        )
    _within_limit(len(value))  # before an array is turned into a list
    plain = value.tolist() if hasattr(value, "tolist") else list(value)
    return [_plain(name, item) for item in plain]


def _is_sequence(value: Any) -> bool:
    if isinstance(value, (list, tuple, range)):
        return True
    return hasattr(value, "tolist") and bool(getattr(value, "shape", ()))


def _plain(name: str, value: Any) -> Any:
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        value = value.item()
    if isinstance(value, (list, tuple)):
        return [_plain(name, item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise InvalidOptionError(f"--sweep {name}: {value} is not a finite number.")
    raise InvalidOptionError(
        f"--sweep {name}: a value is {type(value).__name__}; an element takes numbers, words, truth values, or lists of them.",
        advice=f"Let the cell choose: --sweep {name}=0:9:10 and, in the cell, the list at index {name}.",
    )


def _range(name: str, given: str) -> list[Any]:
    parts = given.split(":")
    try:
        if len(parts) != 3:
            raise ValueError
        start, stop, count = float(parts[0]), float(parts[1]), int(parts[2])
        if count < 1 or not (math.isfinite(start) and math.isfinite(stop)):
            raise ValueError
    except ValueError:
        raise InvalidOptionError(
            f"--sweep {name}={given} is not a range.",
            advice="Write START:STOP:COUNT, such as 0:1:11 for 0, 0.1, ... 1.",
        ) from None
    _within_limit(count)
    if count == 1:
        return [_tidy(start, parts[0])]
    step = (stop - start) / (count - 1)
    whole = all(p.strip().lstrip("+-").isdigit() for p in parts[:2]) and step == int(step)
    values = [start + step * i for i in range(count - 1)] + [stop]
    return [int(value) for value in values] if whole else values


def _python_range(name: str, given: str) -> list[Any] | None:
    """`range(3)` as Python reads it; None for anything else."""
    if not given.startswith("range(") or not given.endswith(")"):
        return None
    try:
        made = range(*map(operator.index, ast.literal_eval(f"({given[6:-1]},)")))
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        raise InvalidOptionError(
            f"--sweep {name}={given} is not a range.",
            advice="range takes one to three whole numbers, such as range(0,10,2).",
        ) from None
    if made:
        _within_limit((made[-1] - made[0]) // made.step + 1)  # len() of a very long one overflows
    return list(made)


def _tidy(value: float, text: str) -> float | int:
    return int(value) if text.strip().lstrip("+-").isdigit() else value


def _split(name: str, given: str) -> list[str]:
    """At commas outside quotes and brackets; an empty last part, as in `'x',`, marks a list of one."""
    parts, depth, quote, begin = [], 0, "", 0
    for place, char in enumerate(given):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == "," and depth == 0:
            parts.append(given[begin:place].strip())
            begin = place + 1
    parts.append(given[begin:].strip())
    if quote or depth:
        raise InvalidOptionError(f"--sweep {name}={given} has a quote or bracket without its other half.")
    if parts and not parts[-1]:
        parts.pop()
    if not all(parts):
        raise InvalidOptionError(f"--sweep {name}={given} has an empty value.", advice=f"Write {ACCEPTED}.")
    if len(parts) == 1 and given[:1] == "[" and given[-1:] == "]":
        return _split(name, given[1:-1])
    return parts


def _literal(name: str, text: str) -> Any:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        if any(bracket in text for bracket in "()[]{}"):
            raise InvalidOptionError(
                f"--sweep {name}: {text!r} is Python to be evaluated, and values are taken as they are written.",
                advice=f"Assign it in the notebook, values = {text[:60]}, and write --sweep {name}=values; or write {ACCEPTED}.",
            ) from None
        return text  # a bare word
    if isinstance(value, (list, tuple)):
        return [_plain("value", item) for item in value]
    plain = value is None or isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value))
    return value if plain else text
