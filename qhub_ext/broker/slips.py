"""What is not right about a request, in words: which of its fields, what was given there, and what would be accepted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from qhub_ext.errors import UserError

MOST_TOLD = 5
LONGEST_SHOWN = 40
IDENTIFIER = r"^[A-Za-z0-9_-]{0,64}$"
_FORMS = {IDENTIFIER: "at most 64 letters, digits, `-` and `_`"}
_KINDS = {
    "int": "a whole number", "float": "a number", "finite_number": "a finite number", "bool": "true or false", "string": "a text",
    "dict": "an object of names and values", "model": "an object of names and values", "list": "a list",
}  # fmt: skip
"""By how the words begin that pydantic has for a kind of error."""
_BOUNDS = {"greater_than_equal": ("ge", "at least"), "greater_than": ("gt", "more than"), "less_than_equal": ("le", "at most"), "less_than": ("lt", "less than")}  # fmt: skip
_LENGTHS = {"string_too_long": ("max_length", "at most", "character"), "string_too_short": ("min_length", "at least", "character"), "too_long": ("max_length", "at most", "item"), "too_short": ("min_length", "at least", "item")}  # fmt: skip


class UnfitRequestError(UserError):
    """A request that the description of the API does not have."""


def explain_slips(found: Sequence[Mapping[str, Any]], takes: Sequence[str] = ()) -> UnfitRequestError:
    """`found` as pydantic tells it, each with its place: first the part of the request, then the names there. `takes` are the fields of the body."""
    told = [_sentence(one) for one in found[:MOST_TOLD]]
    more = len(found) - len(told)
    odd = any(one["type"] == "extra_forbidden" or len(one["loc"]) < 2 for one in found)
    fields = ", ".join(f"`{name}`" for name in takes)
    return UnfitRequestError(
        " ".join([*told, *([f"And {more} more."] if more else [])]),
        advice=f"The body is a JSON object with {fields}." if odd and fields else "",
    )


def _sentence(one: Mapping[str, Any]) -> str:
    kind, where = str(one["type"]), _place(one["loc"])
    if kind == "missing":
        return f"The {where} is missing."
    if kind == "extra_forbidden":
        return f"There is no {where}."
    if kind == "json_invalid":
        return f"The body is no JSON: {_lowered(one['ctx']['error'])}, at character {one['loc'][-1]}."
    if kind.startswith("string") and len(one["loc"]) == 1:
        return f"The {where} has a field of the name {shown(one['input'])}, which is no text."
    return f"The {where} is {shown(one.get('input'))}; accepted is {_accepted(one)}."


def _place(loc: Sequence[Any]) -> str:
    part, *names = loc
    if not names:
        return str(part)
    name = "".join(f"[{n}]" if isinstance(n, int) else f".{n}" for n in names).removeprefix(".")
    name = _plain(name if len(name) <= LONGEST_SHOWN else f"{name[:LONGEST_SHOWN]}...")
    return {"query": "parameter `{}`", "path": "part `{}` of the address", "header": "header `{}`"}.get(part, f"field `{{}}` of the {part}").format(name)  # fmt: skip


def _accepted(one: Mapping[str, Any]) -> str:
    kind, given = str(one["type"]), one.get("ctx") or {}
    if kind in _BOUNDS:
        name, words = _BOUNDS[kind]
        return f"{words} {given[name]:,g}"
    if kind in _LENGTHS:
        name, words, what = _LENGTHS[kind]
        what = "character" if isinstance(one.get("input"), str) else what
        return f"{words} {given[name]:,} {what}{'' if given[name] == 1 else 's'}"
    if kind == "literal_error":
        return str(given["expected"]).replace("''", "an empty text")
    if kind == "string_pattern_mismatch":
        return _FORMS.get(given["pattern"], f"what fits {given['pattern']}")
    if kind == "value_error":  # of ours
        return str(given["error"])
    return next((words for name, words in _KINDS.items() if kind.startswith(name)), _lowered(str(one["msg"])))


def shown(given: Any) -> str:
    """A value as it was sent, if that is short and can be read."""
    if isinstance(given, dict | list):
        return "an object" if isinstance(given, dict) else f"a list of {len(given):,}"
    if isinstance(given, bytes):
        return "no JSON" if given else "empty"
    told = json.dumps(given)
    return told if len(told) <= LONGEST_SHOWN else f"{told[:LONGEST_SHOWN]}... ({len(told):,} characters)"


def _plain(text: str) -> str:
    """Names may be anything, half of a pair of surrogates too, which no answer can hold."""
    return text.encode("ascii", "backslashreplace").decode()


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]
