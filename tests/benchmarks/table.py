"""The table of README.md: where and when it was measured, a row per line, and in words what does not hold."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path

from qhub_ext.jobfolder.atomic import write_beside
from tests.benchmarks.line import Line, quantity

BEGIN, END = "<!-- begin: python -m tests.benchmarks -->", "<!-- end -->"
PACKAGES = ("qhub-ext", "qiskit", "qiskit-aer", "qiskit-ibm-runtime", "ipykernel", "IPython", "submitit")


@dataclass
class Run:
    began_at: float
    load_before: float
    command: str
    sections: list[tuple[str, list[Line]]] = field(default_factory=list)

    @classmethod
    def begin(cls, command: str) -> Run:
        return cls(time.time(), os.getloadavg()[0], command)

    def add(self, title: str, lines: list[Line]) -> None:
        self.sections.append((title, lines))

    @property
    def lines(self) -> list[Line]:
        return [line for _, lines in self.sections for line in lines]


def render(run: Run) -> str:
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(run.began_at))
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    text = [
        f"Made by `{run.command}` on {day}: {cpus} CPUs, load {run.load_before:.1f} before and {os.getloadavg()[0]:.1f} after "
        f"{(time.time() - run.began_at) / 60:.0f} minutes; {platform.system()}, Python {platform.python_version()}, {versions}.",
        "",
        "| what | ours | beside | theirs | ours / theirs | target | holds |",
        "|---|---:|---|---:|---:|---|---|",
    ]
    for title, lines in run.sections:
        text.append(f"| **{title}** | | | | | | |")
        text += [_row(line) for line in lines] or ["| not measured in this run | | | | | | |"]
    text += ["", *_verdict(run.lines)]
    return "\n".join(text)


def _row(line: Line) -> str:
    theirs = "" if line.theirs is None else quantity(line.theirs, line.unit)
    ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
    holds = {True: "yes", False: "**no**", None: ""}[line.holds]
    what = f"{line.what} ({line.note})" if line.note else line.what
    return f"| {what} | {quantity(line.ours, line.unit)} | {line.peer} | {theirs} | {ratio} | {line.target} | {holds} |"


def _verdict(lines: list[Line]) -> list[str]:
    missed = [line for line in lines if line.holds is False]
    if not missed:
        return [f"All {sum(line.holds is True for line in lines)} targets hold in this run."]
    return [
        "What does not hold in this run:",
        "",
        *(f"- {line.what}: {_how_far(line)}, wanted {line.target}." for line in missed),
    ]


def _how_far(line: Line) -> str:
    if line.ratio_at_most is not None and line.ratio is not None:
        return f"{line.ratio:.3g} x {line.peer}"
    return quantity(line.ours, line.unit)


def write_between(readme: Path, text: str) -> None:
    """Replaces what stands between the two marks; everything around them is written by hand."""
    before, _, rest = readme.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{readme} has lost its marks {BEGIN} and {END}")
    write_beside(readme, f"{before}{BEGIN}\n{text}\n{END}{after}".encode())
    readme.chmod(0o644)
