"""A table of facts: HTML for a notebook, aligned text for a terminal, JSON for a script."""

from __future__ import annotations

import html
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

from qhub_ext.display.pages import PLOTLY
from qhub_ext.display.words import plain

_STYLE = "text-align:left;padding:2px 10px 2px 0;vertical-align:top;white-space:nowrap"
_LONG = "text-align:left;padding:2px 10px 2px 0;vertical-align:top;white-space:normal;min-width:20em"
_SENTENCE = 48
"""A cell with more letters is a sentence, and may take several lines."""


@dataclass(frozen=True)
class Text:
    """A few sentences, and the facts behind them for `--json`."""

    text: str
    facts: Any = None

    def to_text(self, width: int | None = None) -> str:  # noqa: ARG002 - sentences are the terminal's to wrap
        return self.text

    def to_html(self) -> str:
        return f'<div style="white-space:pre-wrap">{html.escape(self.text)}</div>'

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text


class Part(Protocol):
    """What a page is made of."""

    def to_text(self, width: int | None = None) -> str: ...

    def to_html(self) -> str: ...


@dataclass(frozen=True)
class Page:
    """Texts and tables, one under the other. `rows` is what `frame` has, where it is not the first table's own."""

    parts: Sequence[Part]
    facts: Any = None
    rows: Any = None

    @property
    def frame(self) -> Any:
        """As a pandas DataFrame."""
        if self.rows is not None:
            return frame_of(self.rows)
        return next(part for part in self.parts if isinstance(part, Table)).frame

    def to_text(self, width: int | None = None) -> str:
        return "\n\n".join(part.to_text(width) for part in self.parts)

    def to_html(self) -> str:
        return "".join(part.to_html() for part in self.parts)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        return {"text/plain": self.to_text(), "text/html": self.to_html()}


@dataclass(frozen=True)
class Pictured(Page):
    """In a notebook with its picture, which is plotly's JSON."""

    picture: Any = None

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {**super()._repr_mimebundle_(include, exclude), PLOTLY: self.picture}


@dataclass(frozen=True)
class Table:
    """`rows` are cells of text in the order of `columns`; `facts` is what `--json` prints; `empty` is said when there are no rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    facts: Any = None
    title: str = ""
    empty: str = ""
    footer: str = ""
    widths: dict[str, int] = field(default_factory=dict)

    @property
    def frame(self) -> Any:
        """The facts as a pandas DataFrame, a row for each; the cells where there are no facts of that shape."""
        told = self.facts if isinstance(self.facts, list) and self.facts and isinstance(self.facts[0], dict) else None
        return frame_of(told or [dict(zip(self.columns, row, strict=True)) for row in self.rows])

    def to_text(self, width: int | None = None) -> str:
        """`width` is the terminal's, in columns: the widest columns give way first. Where that does not do, each row stands under the one before."""
        if not self.rows:
            return self.empty
        cells = [
            [plain(str(c), self.widths.get(k)) for k, c in zip(self.columns, row, strict=True)] for row in self.rows
        ]
        widths = [max(display_width(r[i]) for r in [list(self.columns), *cells]) for i in range(len(self.columns))]
        if width is not None:
            widths = fit(widths, width)
            if _whole(widths) > width:
                return "\n\n".join(filter(None, [self.title, *self._blocks(width), self.footer]))
            cells = [[plain(c, w) for c, w in zip(row, widths, strict=True)] for row in cells]
        lines = [
            _line(self.columns, widths),
            _line(["─" * w for w in widths], widths),
            *(_line(r, widths) for r in cells),
        ]
        return "\n".join([*([self.title] if self.title else []), *lines, *([self.footer] if self.footer else [])])

    def _blocks(self, width: int) -> Iterator[str]:
        """A row as lines of column and cell, without empty ones."""
        head = max(map(display_width, self.columns)) + 2
        for row in self.rows:
            yield "\n".join(
                textwrap.fill(
                    plain(str(cell)),
                    max(width, head + NARROWEST),
                    initial_indent=name + " " * (head - display_width(name)),
                    subsequent_indent=" " * head,
                )
                for name, cell in zip(self.columns, row, strict=True)
                if str(cell).strip()
            )

    def to_html(self) -> str:
        if not self.rows:
            return f"<div>{html.escape(self.empty)}</div>"
        head = "".join(f'<th scope="col" style="{_STYLE}">{html.escape(c)}</th>' for c in self.columns)
        body = "".join(
            "<tr>"
            + "".join(
                f'<td style="{_STYLE if len(str(c)) <= _SENTENCE else _LONG}">{html.escape(plain(str(c)))}</td>'
                for c in row
            )
            + "</tr>"
            for row in self.rows
        )
        caption = (
            f'<caption style="text-align:left;font-weight:600;padding:4px 0">{html.escape(self.title)}</caption>'
            if self.title
            else ""
        )
        footer = f"<div>{html.escape(self.footer)}</div>" if self.footer else ""
        return (
            f'<table style="border-collapse:collapse;margin:4px 0">{caption}<thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>{footer}"
        )

    def __str__(self) -> str:
        return self.to_text()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's
        return {"text/plain": self.to_text(), "text/html": self.to_html()}


def frame_of(rows: Sequence[Any]) -> Any:
    """A pandas DataFrame; pandas is imported for who asks for one."""
    return import_module("pandas").DataFrame(list(rows))


NARROWEST = 8
"""Columns are not cut below this many letters."""


def fit(widths: Sequence[int], width: int) -> list[int]:
    """Column widths, with two spaces between, that fit into `width` where that is possible."""
    found = list(widths)
    while _whole(found) > width and max(found) > NARROWEST:
        found[found.index(max(found))] -= 1
    return found


def _whole(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def display_width(text: str) -> int:
    """Columns that a terminal gives to `text`: wide letters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(c + " " * (w - display_width(c)) for c, w in zip(cells, widths, strict=True)).rstrip()
