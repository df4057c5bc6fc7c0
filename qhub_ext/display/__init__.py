"""Facts as a person reads them: words, tables, the job card, saved outputs, progress. Draws what it is given, as HTML and as
plain text, and fetches nothing."""

from __future__ import annotations

from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.display.words import duration, state_words

__all__ = ["Page", "Table", "Text", "duration", "state_words"]
