"""Every file name inside a job folder, once. No other module joins a path inside one.

SHELF/.calibration/         every calibration snapshot that a job met (jobfolder.calibrations)
SHELF/.locks/               every environment that a job was submitted from (jobfolder.locks)
SHELF/.archives             where jobs were moved to, a folder per line (jobfolder.archives)
SHELF/.outbox/              summaries that the broker has not taken yet (jobfolder.outbox)
SHELF/.generation           changes when a finished job begins anew (jobfolder.generation)
SHELF/ID/                   mode 0700
    spec.json               what was asked for (qhub.job/1), never changed
    cell.py                 the cell as typed; of a notebook, its code cells one under the other, to be read
    notebook.ipynb          only of a notebook: the notebook without outputs
    inputs/                 the captured names: manifest.json and one file per name
    runtime.json            Python, platform and packages of the place of submission
    pylock.toml             the same as a lock (PEP 751); comes some seconds later the first time after an installation
    script                  what the site scheduler runs
    calibration/            the calibration snapshots that it ran under
    journal/WRITER.jsonl    events, one writer per file
    exported.json           which spans a collector of OpenTelemetry has got; only where there is one
    sendings/1.json         a client's claim to hand the job to the site, made before it does; a site may use them
    attempts/1/             one per try of the site
        console.log         what the script printed outside the kernel
        outputs.jsonl       output messages as they come (nbformat shapes)
        outputs.ipynb       the same, sealed as a notebook; of a notebook, its executed copy
        runtime.json        the place where it ran, and how that differs from the place of submission
        variables/          names that come back: manifest.json and one file per name
        tasks/0001.json     a record per quantum task; results beside it
        tasks/device.jsonl  each step of a task on a device: written before it is sent, and as it moves
        spans/WRITER.jsonl  spans of the runner and the job kernel, in OTLP JSON
        profile.json        where the cell's own Python spent its time; only where that was asked for
        launch.json, exit.json, alive.lock   between site and script: who runs it, how it ended
        outcome.json        the sealed verdict, renamed into place last
    elements/7/             only in an array: a folder of the same shape, which uses the array's inputs
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

from qhub_ext.job.identity import element_id, split_element


@dataclass(frozen=True)
class AttemptFolder:
    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def console(self) -> Path:
        return self.path / "console.log"

    @property
    def outputs(self) -> Path:
        return self.path / "outputs.jsonl"

    @property
    def notebook(self) -> Path:
        return self.path / "outputs.ipynb"

    @property
    def runtime(self) -> Path:
        return self.path / "runtime.json"

    @property
    def variables(self) -> Path:
        return self.path / "variables"

    @property
    def tasks(self) -> Path:
        return self.path / "tasks"

    @property
    def device_journal(self) -> Path:
        return self.tasks / "device.jsonl"

    @property
    def spans(self) -> Path:
        return self.path / "spans"

    @property
    def profile(self) -> Path:
        return self.path / "profile.json"

    @property
    def launch(self) -> Path:
        return self.path / "launch.json"

    @property
    def exit(self) -> Path:
        return self.path / "exit.json"

    @property
    def lock(self) -> Path:
        return self.path / "alive.lock"

    @property
    def outcome(self) -> Path:
        return self.path / "outcome.json"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def reserve(self) -> Path:
        """Disk space set aside, so that a full disk still leaves room for the outcome."""
        return self.path / ".reserve"


@dataclass(frozen=True)
class JobFolder:
    path: Path

    @property
    def id(self) -> str:
        if self.path.parent.name == "elements":
            return element_id(self.path.parent.parent.name, int(self.path.name))
        return self.path.name

    @property
    def spec(self) -> Path:
        return self.path / "spec.json"

    @property
    def exported(self) -> Path:
        return self.path / "exported.json"

    @functools.cached_property
    def bundle_root(self) -> Path:
        """Where cell, inputs and runtime lie: an element of an array uses its array's."""
        return self.path.parent.parent if self.path.parent.name == "elements" else self.path

    @property
    def cell(self) -> Path:
        return self.bundle_root / "cell.py"

    @property
    def notebook(self) -> Path:
        return self.bundle_root / "notebook.ipynb"

    @property
    def inputs(self) -> Path:
        return self.bundle_root / "inputs"

    @property
    def runtime(self) -> Path:
        return self.bundle_root / "runtime.json"

    @property
    def lock(self) -> Path:
        return self.bundle_root / "pylock.toml"

    @property
    def calibration(self) -> Path:
        return self.bundle_root / "calibration"

    @property
    def script(self) -> Path:
        return self.path / "script"

    @property
    def journals(self) -> Path:
        return self.path / "journal"

    def journal(self, writer: str) -> Path:
        return self.journals / f"{writer}.jsonl"

    @property
    def sendings(self) -> Path:
        return self.path / "sendings"

    def sending(self, number: int) -> Path:
        return self.sendings / f"{number}.json"

    @property
    def attempts(self) -> Path:
        return self.path / "attempts"

    def attempt(self, number: int) -> AttemptFolder:
        return AttemptFolder(self.attempts / str(number))

    @property
    def elements(self) -> Path:
        return self.path / "elements"

    def element(self, index: int) -> JobFolder:
        return JobFolder(self.elements / str(index))

    @property
    def shelf(self) -> Path:
        return self.bundle_root.parent

    def attempt_numbers(self) -> list[int]:
        try:
            return sorted(int(name) for name in os.listdir(self.attempts) if name.isdigit())
        except FileNotFoundError:
            return []

    def latest_attempt(self) -> AttemptFolder | None:
        numbers = self.attempt_numbers()
        return self.attempt(numbers[-1]) if numbers else None


def folder_of(shelf: Path, job_id: str) -> JobFolder:
    array_id, index = split_element(job_id)
    folder = JobFolder(shelf / array_id)
    return folder if index is None else folder.element(index)
