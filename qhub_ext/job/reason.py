"""Why a job waits, in the words of a site and in plain ones."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """The site's word, a sentence, whose move it is, what to do."""

    word: str
    sentence: str
    audience: str = "site"
    advice: str = ""
