"""What somebody most probably meant who typed an option in a way that is none, said beside the refusal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

DASHES = "-–—−‐"
_SHORTEST = 3
"""Letters of a name that one dash may stand before: `-in` is `-i n`, while nobody means `-t ier`."""


class Named(Protocol):
    """What is needed of an option here."""

    @property
    def flag(self) -> str: ...
    @property
    def kind(self) -> str: ...


def meant_option(word: str, options: Iterable[Named]) -> str:
    """`--tier` for `-tier`, `—tier` and `–tier=local`; "" where it is an option as it stands, or none that is known."""
    typed = word.partition("=")[0]
    name = typed.lstrip(DASHES)
    if typed.startswith("--") or typed == name or len(name) < _SHORTEST:
        return ""
    return next((option.flag for option in options if option.flag == f"--{name}"), "")


def unquoted_value(stray: str, words: Sequence[str], options: Iterable[Named]) -> str:
    """`--name "my job"` where `job` stands alone behind `--name my`; "" where no text precedes it."""
    texts = {option.flag for option in options if option.kind in ("name", "text")}
    at = list(words).index(stray)
    flag, equals, value = words[at - 1].partition("=") if at else ("", "", "")
    if not (equals and flag in texts):
        flag, value = (words[at - 2], words[at - 1]) if at > 1 else ("", "")
    return f'{flag} "{value} {stray}"' if flag in texts else ""
