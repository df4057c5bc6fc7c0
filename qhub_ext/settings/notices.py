"""What a user is told of settings that have no effect, once per process."""

from __future__ import annotations

import warnings

from qhub_ext.errors import QhubWarning


class SettingsWarning(QhubWarning):
    """Something that was set has no effect."""


_told: set[str] = set()


def tell(sentence: str, about: str) -> None:
    if about not in _told:
        _told.add(about)
        warnings.warn(sentence, SettingsWarning, stacklevel=4)
