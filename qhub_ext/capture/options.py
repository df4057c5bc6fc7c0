"""The options of `%%qpu`, `%qpu` and `qhub`: one table, from which parsers, help pages and completion are made."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

from qhub_ext.capture.quantity import ACCEPTED_SIZES, ACCEPTED_TIMES
from qhub_ext.capture.sweep import ACCEPTED as ACCEPTED_SWEEPS
from qhub_ext.job.context import TIERS

Kind = Literal[
    "text", "tier", "count", "seed", "time", "memory", "names", "jobs", "sweep", "pair", "flag", "name", "variable"
]
LONGEST_NAME = 200


OTHER_OPTIONS = {
    "queue": "partition",
    "backend": "device",
    "target": "tier device",
    "mode": "tier",
    "walltime": "time",
    "timeout": "time",
    **dict.fromkeys(("ntasks", "ncpus", "cores", "threads", "cpus-per-task"), "cpus"),
    **dict.fromkeys(("ram", "mem", "vmem"), "memory"),
    **dict.fromkeys(("dependency", "depends", "afterok"), "after"),
    **dict.fromkeys(("array", "map", "param", "params"), "sweep"),
    **dict.fromkeys(("job-name", "jobname", "title"), "name"),
    **dict.fromkeys(("output", "outputs", "return"), "out"),
    **dict.fromkeys(("input", "inputs"), "in"),
    **dict.fromkeys(("project", "allocation"), "account"),
    **dict.fromkeys(("block", "sync"), "wait"),
    **dict.fromkeys(("test", "preview", "check"), "dry-run"),
}
"""What other programs call it."""


@dataclass(frozen=True)
class Option:
    """`setting` is the dotted name of the setting that holds the default; `metavar` is empty for a switch."""

    name: str
    kind: Kind
    help: str
    group: str
    short: str = ""
    metavar: str = ""
    setting: str = ""
    accepts: str = ""

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def key(self) -> str:
        """The field of `Request`."""
        return _FIELDS.get(self.name, self.name.replace("-", "_"))

    def sentence(self) -> str:
        """What it is, what it accepts and what holds without it."""
        accepts = f" Accepts {self.accepts}." if self.accepts and self.kind != "tier" else ""
        default = f" Default: the setting {self.setting}." if self.setting else ""
        return self.help + accepts + default

    @property
    def repeatable(self) -> bool:
        return self.kind in {"names", "jobs", "sweep", "pair"}


_FIELDS = {
    "in": "inputs",
    "out": "outputs",
    "time": "time_s",
    "memory": "memory_mb",
    "site-option": "site_options",
    "sweep": "sweeps",
    "as": "variable",
}

WHERE, HOW, DATA, SITE = "Where it runs", "How it runs", "What goes along and comes back", "For the site scheduler"

OPTIONS: tuple[Option, ...] = (
    Option("tier", "tier", "Where to run: local (ideal), emulation (with the device's noise) or qpu (the device); with commas one job each.", WHERE, "t", "TIER", "tier", ", ".join(TIERS)),
    Option("device", "text", "The device that the tier stands for; `%qpu devices` lists them. Or what it should be like: \"qubits>=100, 2q<3e-3, least busy\".", WHERE, "d", "NAME", "device"),
    Option("site", "text", "The site scheduler to queue at.", WHERE, "", "NAME", "site"),
    Option("profile", "text", "Policy class, such as development or production.", WHERE, "p", "NAME", "profile"),
    Option("shots", "count", "Shots of a sampler that names none.", HOW, "s", "N", "shots", "a whole number from 1 on"),
    Option("seed", "seed", "Seed of the simulation.", HOW, "", "N", "", "a whole number from 0 on"),
    Option("time", "time", "Wall time after which the job is stopped.", HOW, "T", "TIME", "limits.time_s", ACCEPTED_TIMES),
    Option("sweep", "sweep", "An array of jobs, one per value; several sweeps make their product.", HOW, "", "NAME=VALUES", "", ACCEPTED_SWEEPS),
    Option("after", "jobs", "Start when these jobs have completed.", HOW, "", "JOB", "", "ids of jobs, with commas"),
    Option("wait", "flag", "Wait for the end and bring the names back; an interrupt detaches and does not cancel.", HOW, "w"),
    Option("dry-run", "flag", "Show the script, what would go along and how large it is; submit nothing.", HOW, "n"),
    Option("cold", "flag", "Start a kernel that has imported nothing yet, even where one is kept ready.", HOW),
    Option("profile-classical", "flag", "Note which functions of the cell's own Python take its time; it runs slower meanwhile.", HOW),
    Option("profile-sampled", "flag", "The same by py-spy, which looks on from outside and slows nothing; it must be installed where the job runs.", HOW),
    Option("name", "name", "What the job is called in lists.", HOW, "", "TEXT", "", f"up to {LONGEST_NAME} characters"),
    Option("as", "variable", "Variable of the notebook that will hold the Job.", DATA, "", "NAME"),
    Option("in", "names", "Names that go along, beside those that the cell is seen to read.", DATA, "i", "NAMES", "", "names, with commas"),
    Option("without", "names", "Names that stay behind although the cell mentions them.", DATA, "x", "NAMES", "", "names, with commas"),
    Option("out", "names", "Names that come back; default: all that the cell binds.", DATA, "o", "NAMES", "", "names, with commas"),
    Option("cpus", "count", "CPUs of the job.", SITE, "c", "N", "", "a whole number from 1 on"),
    Option("memory", "memory", "Memory of the job.", SITE, "m", "SIZE", "limits.memory_mb", ACCEPTED_SIZES),
    Option("account", "text", "Account that the site charges.", SITE, "A", "NAME"),
    Option("partition", "text", "Partition of the site.", SITE, "", "NAME"),
    Option("site-option", "pair", "Anything else that the site scheduler understands.", SITE, "", "KEY=VALUE", "", "KEY=VALUE"),
)  # fmt: skip


def help_page(usage: str = "%%qpu [options]", options: tuple[Option, ...] = OPTIONS, *, width: int = 100) -> str:
    """Plain text, by group: what `%%qpu?` shows."""
    lines = [usage]
    head = max(len(_heading(option)) for option in options) + 2
    for group in dict.fromkeys(option.group for option in options):
        lines += ["", f"{group}:"]
        for option in options:
            if option.group == group:
                said = textwrap.wrap(option.sentence(), max(20, width - head - 2))
                lines.append(f"  {_heading(option):<{head}}{said[0]}")
                lines += [" " * (head + 2) + more for more in said[1:]]
    return "\n".join(lines)


def _heading(option: Option) -> str:
    short = f"-{option.short}, " if option.short else "    "
    return f"{short}{option.flag} {option.metavar}".rstrip()
