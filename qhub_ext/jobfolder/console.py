"""The console of an attempt: what was printed outside of the job kernel, by the script, the runner and what they start."""

from __future__ import annotations

import os

from qhub_ext.jobfolder.layout import AttemptFolder

_LAST_WORDS = 300


def last_words(attempt: AttemptFolder) -> str:
    """Its end, in one line; "" where there is none."""
    try:
        with attempt.console.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 4096))
            lines = file.read().decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return " / ".join(line.strip() for line in lines[-3:])[-_LAST_WORDS:]
