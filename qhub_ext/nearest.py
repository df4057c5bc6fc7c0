"""Which of the names that there are somebody may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

NO_WORDS: Mapping[str, str] = {}
_LIKE, _SHORT = 0.6, 0.5
"""Of difflib's ratio: what is less like it than that is another word; of a short one a letter is more."""
_AS_LIKE = 0.07


def nearest(name: str, known: Iterable[str], words: Mapping[str, str] = NO_WORDS) -> list[str]:
    """What may have been meant, three at most: what other programs call so (`words`: theirs to ours, several with blanks between), else what begins so,
    else what is most like it, and what is as much so.
    """
    from difflib import SequenceMatcher  # only the failing path pays for it

    given = name.lower().lstrip("-")
    folded = {one: one.lower().lstrip("-") for one in known}
    same = [one for one, plain in folded.items() if plain == given]  # JOBS is meant for jobs
    plainly = {plain: one for one, plain in folded.items()}
    theirs = [plainly[word] for word in words.get(given, "").split() if word in plainly]
    begin = [one for one, plain in folded.items() if len(given) > 1 and plain.startswith(given)]
    if same or theirs or begin:
        return (same or theirs or sorted(begin, key=len))[:3]
    like = {one: SequenceMatcher(None, plain, given).ratio() for one, plain in folded.items()}
    least = max(_LIKE if len(given) > 3 else _SHORT, max(like.values(), default=0.0) - _AS_LIKE)
    return sorted((one for one in like if like[one] >= least), key=lambda one: -like[one])[:3]


def meant(near: Sequence[str]) -> str:
    """The question: `Did you mean 'jobs' or 'job'?`"""
    *others, last = map(repr, near)
    return f"Did you mean {', '.join(others)}{' or ' if others else ''}{last}?"
