"""A line of `%%qpu`, `%qpu` or `qhub`, read into a `Request` by the table of options.

IPython has replaced `{name}` and `$name` in the line of a cell magic before we see it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from qhub_ext.capture.option_values import read_value
from qhub_ext.capture.options import OPTIONS, OTHER_OPTIONS, Option
from qhub_ext.capture.request import Request
from qhub_ext.capture.slips import meant_option, unquoted_value
from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.job.context import TIERS


def parse_line(line: str, namespace: Mapping[str, Any] | None = None, options: tuple[Option, ...] = OPTIONS) -> Request:
    """Raises UnknownNameError for an option, tier or list that does not exist, InvalidOptionError for a value."""
    words = split_line(line)
    request, rest = parse_words(words, namespace, options)
    if rest:
        raise InvalidOptionError(
            f"{rest[0]!r} belongs to no option.{_meant(rest[0], words, options)}", advice="`%%qpu?` shows them all."
        )
    return request


def _meant(stray: str, words: list[str], options: tuple[Option, ...]) -> str:
    whole = unquoted_value(stray, words, options)
    if whole:
        return f" Words with spaces stand in quotes: {whole}."
    name, equals, _ = stray.partition("=")
    if equals and name.isidentifier() and any(word.partition("=")[0] == "--sweep" for word in words):
        return f" Did you mean --sweep {stray}? Each variable has one of its own."
    return f" Did you mean --tier {stray}?" if stray in TIERS else ""


def without_comment(line: str) -> str:
    """What stands before ` # `, as people write beside a line of Python; not inside quotes, and not `#3`."""
    quote, before, escaped = "", " ", False
    for at, letter in enumerate(line):
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and before.isspace() and (line[at + 1 : at + 2] or " ").isspace():
            return line[:at]
        before = letter
    return line


def split_line(line: str) -> list[str]:
    """Words as a shell would see them: quotes keep spaces together, a backslash takes the next character as it is, a comment is none of them."""
    try:
        return shlex.split(without_comment(line))
    except ValueError as error:
        said = str(error).lower().rstrip(".")
        raise InvalidOptionError(
            f"The line cannot be read: {said}.", advice="Close the quote, or double the backslash."
        ) from None


def parse_words(
    words: Iterable[str], namespace: Mapping[str, Any] | None = None, options: tuple[Option, ...] = OPTIONS
) -> tuple[Request, list[str]]:
    """The request and the words that belong to no option, in order; everything behind `--` is among these."""
    by_flag = {option.flag: option for option in options} | {f"-{o.short}": o for o in options if o.short}
    found: dict[str, Any] = {}
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += queue
            break
        refuse_other_dashes(word, options)
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        flag, equals, attached = word.partition("=")
        option = by_flag.get(flag)
        if option is None and not flag.startswith("--") and word[:2] in by_flag:
            option, equals, attached = by_flag[word[:2]], "=", word[2:]  # -s4000
        if option is None:
            known = sorted(o.flag for o in options)
            raise UnknownNameError.among("option", flag, known, words=OTHER_OPTIONS)
        if option.kind == "flag":
            if attached and flag != option.flag and not word.startswith(f"{word[:2]}="):  # -nw
                queue.insert(0, f"-{attached}")
            elif equals:
                raise InvalidOptionError(f"{option.flag} takes no value.")
            found[option.key] = True
            continue
        if not equals:
            if not queue or (queue[0] in by_flag and not option.kind == "name"):
                raise InvalidOptionError(
                    f"{flag} needs a value ({option.metavar}).",
                    advice=f"It accepts {option.accepts}." if option.accepts else "",
                )
            attached = queue.pop(0)
        _take(found, option, attached, namespace or {})
    request = Request(**found)
    request.elements  # noqa: B018 - two sweeps of one name, or too many elements, are errors of the line
    return request, rest


def refuse_other_dashes(word: str, options: tuple[Option, ...] = OPTIONS) -> None:
    """Raises UnknownNameError for `-tier` and `—tier`."""
    meant = meant_option(word, options)
    if meant:
        raise UnknownNameError(f"There is no option {word!r}.", advice=f"Did you mean {meant}?")


def _take(found: dict[str, Any], option: Option, text: str, namespace: Mapping[str, Any]) -> None:
    value = read_value(option, text, namespace)
    if option.kind == "pair":
        found.setdefault(option.key, {}).update(value)
    elif option.repeatable:
        known = found.get(option.key, ())
        found[option.key] = known + tuple(
            new for n, new in enumerate(value) if new not in known and new not in value[:n]
        )
    else:
        found[option.key] = value
