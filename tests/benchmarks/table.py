"""The table of README.md: a part per benchmark, each with its own time of measurement, and in words what does not hold.

A part that was measured again takes the place of the one that stands there; so the table is read from the README, too.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import time
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.jobfolder.atomic import write_beside
from tests.benchmarks.line import Line, quantity

BEGIN, END = "<!-- begin: python -m tests.benchmarks -->", "<!-- end -->"
HEAD = ["| what | ours | beside | theirs | ours / theirs | target | holds |", "|---|---:|---|---:|---:|---|---|"]
NOT_HELD = "**no**"
PACKAGES = ("qhub-ext", "qiskit", "qiskit-aer", "qiskit-ibm-runtime", "ipykernel", "IPython", "submitit")
_TITLE = re.compile(r"\| \*\*(?P<title>.+?)\*\*(?: \((?P<measured>[^|]+)\))? \| \| \| \| \| \| \|")


@dataclass(frozen=True)
class Part:
    """What one benchmark found, as rows of the table."""

    title: str
    measured: str
    rows: tuple[str, ...]

    def render(self) -> list[str]:
        rows = self.rows or ("| not measured in this run | | | | | | |",)
        return [f"| **{self.title}** ({self.measured}) | | | | | | |", *rows]


def part(title: str, lines: list[Line], *, began_at: float, load_before: float) -> Part:
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(began_at))
    return Part(title, f"{day}, load {load_before:.1f}", tuple(_row(line) for line in lines))


def parts_of(text: str) -> list[Part]:
    """Of a table that `render` made."""
    found: list[tuple[str, str, list[str]]] = []
    for row in text.splitlines():
        if title := _TITLE.fullmatch(row):
            found.append((title["title"], title["measured"] or "", []))
        elif found and row.startswith("| "):
            found[-1][2].append(row)
    return [Part(title, measured, tuple(rows)) for title, measured, rows in found]


def merged(old: list[Part], new: list[Part], order: list[str]) -> list[Part]:
    """In the order of the titles. Parts of benchmarks that there are no more go; one that could not be measured takes no place."""
    known = {one.title: one for one in [*old, *(one for one in new if one.rows)]}
    return [known[title] for title in order if title in known]


def render(parts: list[Part]) -> str:
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    text = [
        f"{cpus} CPUs; {platform.system()}, Python {platform.python_version()}, {versions}. Each part says when it was measured, and "
        "the load of the machine before.",
        "",
        *HEAD,
    ]
    for one in parts:
        text += one.render()
    return "\n".join([*text, "", *_verdict([row for one in parts for row in one.rows])])


def _row(line: Line) -> str:
    theirs = "" if line.theirs is None else quantity(line.theirs, line.unit)
    ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
    holds = {True: "yes", False: NOT_HELD, None: ""}[line.holds]
    what = f"{line.what} ({line.note})" if line.note else line.what
    cells = (what, quantity(line.ours, line.unit), line.peer, theirs, ratio, line.target, holds)
    return f"| {' | '.join(cells)} |"


def _verdict(rows: list[str]) -> list[str]:
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    missed = [row for row in cells if row[-1] == NOT_HELD]
    if not missed:
        return [f"All {sum(row[-1] == 'yes' for row in cells)} targets hold."]
    return ["What does not hold:", "", *(_how_far(*row) for row in missed)]


def _how_far(what: str, ours: str, peer: str, _theirs: str, ratio: str, target: str, _holds: str) -> str:
    by_ratio = target.endswith(" x")
    return f"- {what}: {f'{ratio} x {peer}' if by_ratio else ours}, wanted {target}."


def between(readme: Path) -> str:
    """What stands between the two marks."""
    return _around(readme)[1]


def write_between(readme: Path, text: str) -> None:
    """Everything around the marks is written by hand."""
    before, _, after = _around(readme)
    write_beside(readme, f"{before}{BEGIN}\n{text}\n{END}{after}".encode())
    readme.chmod(0o644)


def _around(readme: Path) -> tuple[str, str, str]:
    before, _, rest = readme.read_text().partition(BEGIN)
    middle, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{readme} has lost its marks {BEGIN} and {END}")
    return before, middle, after
