"""One job, drawn anew as often as a record is given; with buttons where somebody takes what they ask for."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable

import ipywidgets

from qhub_ext.display.card import card_html, card_text
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import verbs_for
from qhub_ext.widgets.told import ToldWidget

ACTIONS = {
    "cancel": "Ends the job: a waiting one at once, a running one after its `finally:`.",
    "hold": "Keeps it from starting.",
    "release": "Lets it start when its turn comes.",
    "requeue": "Begins a new attempt, from the start.",
}

Act = Callable[[str], str]
"""Takes one of ACTIONS, and answers with a sentence where it was refused, else with ""."""


class JobCard(ToldWidget):
    def __init__(self, record: JobRecord, act: Act | None = None) -> None:
        self._act = act
        self._card = ipywidgets.HTML()
        self._said = ipywidgets.HTML()
        self._buttons = {name: self._button(name, help_) for name, help_ in ACTIONS.items()}
        self._row = ipywidgets.HBox()
        super().__init__([self._card, self._row, self._said])
        self.draw(record)

    def draw(self, record: JobRecord) -> None:
        self.record = record
        self._card.value = card_html(record)
        wanted = [] if self._act is None else [v for v in verbs_for(record.state) if v in ACTIONS]
        shown = tuple(self._buttons[name] for name in wanted)
        if self._row.children != shown:
            self._row.children = shown

    def say(self, sentence: str) -> None:
        """Under the card: why something was refused, or why nothing newer is known."""
        self._said.value = f'<div role="status">{html.escape(sentence)}</div>' if sentence else ""

    def parts(self) -> Iterable[ipywidgets.Widget]:
        return [*self.children, *self._buttons.values()]

    def to_text(self) -> str:
        return card_text(self.record)

    def to_html(self) -> str:
        return card_html(self.record)

    def _button(self, name: str, help_: str) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name.capitalize(), tooltip=help_, layout={"width": "auto"})
        button.on_click(lambda _: self._press(name))
        return button

    def _press(self, name: str) -> None:
        if self._act is not None:
            self.say(self._act(name))
