"""The doctor's probe: a job of a second in every place that a tier sends jobs to, which looks for the shelf, Python and the packages
from a node, and reads its clock."""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.errors import SiteUnreachableError
from qhub_ext.settings import Settings
from qhub_ext.sites.scheduler import Finding
from qhub_ext.sites.slurm import listing
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.listing import Row
from qhub_ext.sites.slurm.mapping import DEFAULT, tiers_of, usual_spec
from qhub_ext.sites.slurm.options import ask
from qhub_ext.sites.slurm.reasons import explain
from qhub_ext.sites.slurm.states import read_state

PROBE_S = 30.0
"""Nodes have so long to run the probe jobs; a busy cluster takes longer, which is no fault of it."""
SOON = ("", "None", "Priority", "Resources", "BeginTime", "Prolog", "Cleaning", "SchedDefer")
"""With these reasons a job may begin at any moment; nothing is gained by waiting with another."""
CLOCK_S = 5.0
LOOK_S = 0.05
FIRST_QUESTION_S = 0.5
PLACE = ("--partition", "--account", "--qos", "--constraint", "--reservation", "--licenses", "--gres")
NODES = ("--partition", "--constraint", "--reservation", "--gres")
"""What decides on which nodes a job may run: one probe for all tiers that agree in it."""


@dataclass
class Probe:
    """`tiers` for which it stands, `words` that put it there; `key` is Slurm's number."""

    tiers: list[str]
    words: tuple[str, ...]
    folder: Path
    key: str = ""
    refused: str = ""
    row: Row | None = None
    waited_s: float = 0.0

    @property
    def answer(self) -> Path:
        return self.folder / "answer"

    @property
    def settled(self) -> bool:
        """Nothing more will come, or nothing is gained by waiting for it."""
        if self.refused or self.answer.exists():
            return True
        return self.row is not None and (read_state(self.row.state).ended or self.stuck)

    @property
    def stuck(self) -> bool:
        return self.row is not None and self.row.state == "PENDING" and self.row.reason not in SOON


def probe(commands: Commands, settings: Settings, user: str) -> Iterator[Finding]:
    shelf = Path(settings.shelf).expanduser()
    folder = shelf / f".probe-{secrets.token_hex(4)}"
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        yield Finding("failure", f"{shelf} cannot be written to: {error.strerror}.", "Set `shelf` in qhub.toml.")
        return
    probes = _probes(settings, folder)
    try:
        for one in probes:
            _send(commands, settings, one)
        _watch(commands, settings, probes, user)
        for one in probes:
            yield from _findings(one, shelf, alone=len(probes) == 1)
    finally:
        left = [one.key for one in probes if one.key and not one.answer.exists()]
        if left:
            commands.run("scancel", "--", *left)
        shutil.rmtree(folder, ignore_errors=True)


def _probes(settings: Settings, folder: Path) -> list[Probe]:
    made: dict[tuple[str | None, ...], Probe] = {}
    for name, tier in tiers_of(settings).items():
        profile = settings.profile if settings.profile in tier.qos else next(iter(tier.qos), settings.profile)
        asked = ask(usual_spec(settings, name, profile), settings.slurm).options
        nodes = tuple(asked.get(option) for option in NODES)
        if nodes in made:
            made[nodes].tiers.append(name)
            continue
        words = tuple(f"{option}={asked[option]}" for option in PLACE if option in asked)
        made[nodes] = Probe([name], words, folder / str(len(made)))
        made[nodes].folder.mkdir(mode=0o700)
    return list(made.values())


def _send(commands: Commands, settings: Settings, one: Probe) -> None:
    sent = commands.run(
        *("sbatch", "--parsable", "--job-name=qhub-probe", "--time=1", "--output=/dev/null", "--chdir=/", *one.words),
        stdin=_script(settings, one.folder),
    )
    if sent.ok:
        one.key = sent.output.strip().partition(";")[0].split()[-1]
    else:
        one.refused = sent.sentence


def _script(settings: Settings, folder: Path) -> str:
    python = shlex.quote(sys.executable)
    prologue = "\n".join(settings.slurm.prologue)
    launcher = " ".join(map(shlex.quote, settings.slurm.launcher))
    return f"""#!/bin/bash
cd -- {shlex.quote(str(folder))} || exit 72
printf 'node %s\\n' "$SLURMD_NODENAME" > .answer
{prologue}
printf 'clock %s\\n' "$EPOCHREALTIME" >> .answer
{launcher} {python} -c 'import qhub_ext, ipykernel, qiskit; print("packages", qiskit.__version__)' >> .answer 2>&1
mv .answer answer
"""


def _watch(commands: Commands, settings: Settings, probes: Sequence[Probe], user: str) -> None:
    """Looks for the answers on the shelf; Slurm is asked ever less often, about those that are still missing."""
    began = time.monotonic()
    ask_at, pause = began, FIRST_QUESTION_S
    while (open_ones := [one for one in probes if not one.settled]) and time.monotonic() < began + PROBE_S:
        if time.monotonic() >= ask_at:
            try:
                rows = listing.list_jobs(commands, [one.key for one in open_ones], user).rows
            except SiteUnreachableError:
                rows = {}
            for one in open_ones:
                one.row = rows.get(one.key, one.row)
            ask_at, pause = time.monotonic() + pause, min(2 * pause, max(pause, settings.slurm.poll_s))
        time.sleep(LOOK_S)
        for one in open_ones:
            os.listdir(one.folder)  # shows new files on network file systems
            one.waited_s = time.monotonic() - began


def _findings(one: Probe, shelf: Path, *, alone: bool) -> Iterator[Finding]:
    of = "" if alone else f" of tier {' and '.join(one.tiers)}"
    if one.refused:
        at = "" if one.tiers == [DEFAULT] else f" ({' '.join(one.words)})"
        yield Finding(
            "failure", f"The probe job{of} was refused{at}: {one.refused}.", "Mend what is named above first."
        )
    elif one.answer.exists():
        yield from _told(one, shelf, of)
    elif one.row is None or not read_state(one.row.state).ended:
        yield _unfinished(one, of)
    elif (one.folder / ".answer").exists():
        began = (one.folder / ".answer").read_text(errors="replace").strip()
        yield Finding(
            "failure",
            f"{began.capitalize()} sees the shelf, and the prologue ended the probe job{of} there.",
            "Mend slurm.prologue in qhub.toml: its lines run in the job's own shell.",
        )
    else:
        yield Finding(
            "failure",
            f"A node ran the probe job{of} ({one.row.state.lower()}) and does not see {shelf}.",
            "Set `shelf` to a folder on storage that all nodes mount at the same path.",
        )


def _unfinished(one: Probe, of: str) -> Finding:
    waits = one.row is None or one.row.state == "PENDING"
    took = f"{one.waited_s:.0f} s"
    if not waits:
        told = f"The probe job{of} was not done after {took}; the nodes were not looked at."
        return Finding("warning", told, "Ask again when the partition is less busy.")
    why = explain(one.row.reason if one.row is not None else "")
    return Finding(
        "warning",
        f"The probe job{of} still waited after {took}: {why.sentence} The nodes were not looked at.",
        why.advice if one.stuck else "Ask again when the partition is less busy.",
    )


def _told(one: Probe, shelf: Path, of: str) -> Iterator[Finding]:
    text = one.answer.read_text(errors="replace")
    node = (re.search(r"node (\S+)", text) or ["", "?"])[1]
    where = f"Node {node} ({of.removeprefix(' of ')})" if of else f"Node {node}"
    yield Finding("ok", f"{where} sees the shelf {shelf}.")
    skew = abs(one.answer.stat().st_mtime - float((re.search(r"clock ([\d.]+)", text) or ["", "0"])[1]))
    if skew > CLOCK_S:
        yield Finding(
            "warning", f"The clocks of node {node} and the file system differ by {skew:.0f} s.", "Ask the site for NTP."
        )
    if "packages" in text:
        yield Finding("ok", f"{where} runs {sys.executable} with qhub_ext and qiskit.")
    else:
        last = text.strip().splitlines()[-1:] or [""]
        yield Finding(
            "failure",
            f"{where} cannot run {sys.executable}: {last[0][:200]}",
            "Use an environment that the nodes see, or set slurm.prologue or slurm.launcher.",
        )
