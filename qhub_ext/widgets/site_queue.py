"""What runs and what waits at the site, drawn anew as often as its entries are given."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets

from qhub_ext.display.site_queue import queue_table
from qhub_ext.sites.scheduler import QueueEntry
from qhub_ext.widgets.told import ToldWidget


class QueueTable(ToldWidget):
    def __init__(self, entries: Sequence[QueueEntry]) -> None:
        self._table = ipywidgets.HTML()
        self._said = ipywidgets.HTML()
        super().__init__([self._table, self._said])
        self.draw(entries)

    def draw(self, entries: Sequence[QueueEntry]) -> None:
        self.entries = list(entries)
        self._table.value = queue_table(self.entries).to_html()

    def say(self, sentence: str) -> None:
        self._said.value = f'<div role="status">{html.escape(sentence)}</div>' if sentence else ""

    def to_text(self) -> str:
        return queue_table(self.entries).to_text()

    def to_html(self) -> str:
        return queue_table(self.entries).to_html()
