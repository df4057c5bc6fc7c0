"""What is written behind an option, read by the option's kind: `1h30` is 5400 s, `a,b` are two names."""

from __future__ import annotations

import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any

from qhub_ext.capture.options import LONGEST_NAME, Option
from qhub_ext.capture.quantity import parse_memory, parse_time
from qhub_ext.capture.sweep import Sweep, parse_sweep
from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.context import TIERS, unknown_tier


def read_value(option: Option, text: str, namespace: Mapping[str, Any]) -> Any:
    """Raises InvalidOptionError for what the option does not accept, UnknownNameError for a tier or list that does not exist."""
    return _READERS[option.kind](option, text, namespace)


def _text(option: Option, text: str, _: Mapping[str, Any]) -> str:
    if not text.strip() or any(ord(char) < 32 for char in text):
        raise InvalidOptionError(f"{option.flag} {text!r} is not a {option.metavar.lower()}.")
    return text.strip()


def _tier(_option: Option, text: str, _: Mapping[str, Any]) -> str:
    tiers = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for tier in tiers or [text]:
        if tier not in TIERS:
            raise unknown_tier(tier)
    return ",".join(tiers)


def _count(option: Option, text: str, _: Mapping[str, Any], least: int = 1) -> int:
    plain = text.replace("_", "").strip()
    if (
        re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?[eE][0-9]{1,2}", plain) and float(plain).is_integer()
    ):  # 1e4, as numbers are written
        plain = str(int(float(plain)))
    if not (plain.isascii() and plain.isdigit()) or int(plain[:19]) < least:
        raise InvalidOptionError(f"{option.flag} {text!r} is not accepted.", advice=f"It accepts {option.accepts}.")
    if len(plain) > 18:
        raise InvalidOptionError(f"{option.flag} {text} is too large.", advice="It accepts up to 18 digits.")
    return int(plain)


def _seed(option: Option, text: str, namespace: Mapping[str, Any]) -> int:
    return _count(option, text, namespace, least=0)


def _name(_option: Option, text: str, _: Mapping[str, Any]) -> str:
    if not text.strip():
        raise InvalidOptionError("--name is empty.")
    if len(text) > LONGEST_NAME:
        raise InvalidOptionError(f"--name has {len(text)} characters; at most {LONGEST_NAME} are kept.")
    if "\0" in text:
        raise InvalidOptionError("--name holds a null character, which no file or process can carry.")
    if text[0] == "-" and text[1:].isdecimal():
        raise InvalidOptionError(
            f"--name {text!r} is how one of the latest jobs is called: -1 is the latest, -2 the one before.",
            advice="Write a name with a letter in it.",
        )
    return text


def _names(option: Option, text: str, _: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if not name.isidentifier():
            raise InvalidOptionError(
                f"{option.flag}: {name!r} is not a name.", advice="It accepts names with commas: a,b,c."
            )
    return names


def _variable(option: Option, text: str, _: Mapping[str, Any]) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise InvalidOptionError(f"{option.flag} {text!r} is not a name that a variable can have.")
    return text


def _jobs(option: Option, text: str, _: Mapping[str, Any]) -> tuple[str, ...]:
    jobs = tuple(part.strip() for part in text.split(",") if part.strip())
    if not jobs:
        raise InvalidOptionError(f"{option.flag} names no job.", advice=f"It accepts {option.accepts}.")
    return jobs


def _sweep(_option: Option, text: str, namespace: Mapping[str, Any]) -> tuple[Sweep, ...]:
    return (parse_sweep(text, namespace),)


def _pair(option: Option, text: str, _: Mapping[str, Any]) -> dict[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or any(char.isspace() or ord(char) < 33 for char in key.strip()):
        raise InvalidOptionError(f"{option.flag} {text!r} is not KEY=VALUE.")
    return {key.strip(): value}


_READERS: dict[str, Callable[[Option, str, Mapping[str, Any]], Any]] = {
    "text": _text,
    "tier": _tier,
    "count": _count,
    "seed": _seed,
    "time": lambda option, text, _: parse_time(text, option.flag),
    "memory": lambda option, text, _: parse_memory(text, option.flag),
    "names": _names,
    "jobs": _jobs,
    "sweep": _sweep,
    "pair": _pair,
    "name": _name,
    "variable": _variable,
}
