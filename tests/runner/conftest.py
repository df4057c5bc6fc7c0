"""Real job folders, executed by `python -m qhub_ext.runner` in processes of their own."""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.job.identity import new_job_id
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.atomic import read_json, write_json
from qhub_ext.jobfolder.journal import append_once, read_journal
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outputs import read_messages, read_outputs, read_text, without_colours
from tests.waiting import wait_until

RUNNER = [sys.executable, "-m", "qhub_ext.runner"]


class Run:
    """One attempt of one job, running or done."""

    def __init__(self, folder: JobFolder, process: subprocess.Popen[bytes] | None = None, number: int = 1) -> None:
        self.folder = folder
        self.process = process
        self.attempt: AttemptFolder = folder.attempt(number)

    def wait(self, within_s: float = 200.0) -> Run:
        assert self.process is not None
        self.process.wait(within_s)
        return self

    @property
    def outcome(self) -> dict[str, Any]:
        return dict(read_json(self.attempt.outcome))

    @property
    def outputs(self) -> list[dict[str, Any]]:
        return read_outputs(self.attempt)

    @property
    def text(self) -> str:
        return without_colours(read_text(self.attempt))

    @property
    def console(self) -> str:
        return self.attempt.path.with_name("console").read_text("utf-8", "replace")

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(read_journal(self.folder.journal(f"runner-{self.attempt.number}")))

    def until_it_prints(self, text: str) -> Run:
        """It may have ended since."""

        def printed() -> bool:
            assert self.process is not None
            ended = self.process.poll() is not None  # asked first: what it printed before is read below
            found = any(text in str(message.get("text", "")) for message in read_messages(self.attempt))
            assert found or not ended, self.console
            return found

        wait_until(printed, what=f"the output {text!r}")
        return self

    def printed_number(self, word: str) -> int:
        """The number that stands behind a word, once the line is whole."""

        def found() -> re.Match[str] | None:
            return re.search(rf"{word} (\d+)\n", self.text)

        return int(wait_until(found, what=f"{word} and a number")[1])  # type: ignore[index]

    def stop(self, why: str | None = None, number: int = signal.SIGTERM) -> Run:
        """As a site does it: the word first, then the signal."""
        assert self.process is not None
        if why is not None:
            append_once(self.folder.journal("site"), "stop", why=why, attempt=self.attempt.number)
        self.process.send_signal(number)
        return self


class Workshop:
    """Makes folders under one directory, and ends what it started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.runs: list[Run] = []

    def folder(
        self, cell: str, *, at: Path | None = None, environment: dict[str, str] | None = None, **spec: Any
    ) -> JobFolder:
        job_id = new_job_id()
        folder = JobFolder((at or self.root) / job_id)
        folder.path.mkdir(mode=0o700)
        folder.inputs.mkdir(mode=0o700)
        folder.journals.mkdir(mode=0o700)
        fields: dict[str, Any] = {
            "id": job_id,
            "name": "a job",
            "tier": "local",
            "device": "kingston",
            "created_at": time.time(),
            "owner": "somebody",
            "directory": str(self.root),
            "python": sys.executable,
            **spec,
        }
        write_json(folder.spec, JobSpec(**fields).to_json())
        folder.cell.write_text(cell, "utf-8")
        write_json(
            folder.runtime, {"python": platform.python_version(), "packages": {}, "environment": environment or {}}
        )
        return folder

    def start(self, cell: str | JobFolder, *, number: int = 1, extra: dict[str, str] | None = None, **spec: Any) -> Run:
        folder = cell if isinstance(cell, JobFolder) else self.folder(cell, **spec)
        folder.attempts.mkdir(mode=0o700, exist_ok=True)
        environment = {**os.environ, "QHUB_ATTEMPT": str(number), **(extra or {})}
        with (folder.attempts / "console").open("ab") as console:
            process = subprocess.Popen(
                [*RUNNER, str(folder.path)],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                env=environment,
                start_new_session=True,
            )
        run = Run(folder, process, number)
        self.runs.append(run)
        return run

    def run(self, cell: str | JobFolder, **options: Any) -> Run:
        return self.start(cell, **options).wait()

    def close(self) -> None:
        for run in self.runs:
            if run.process is not None and run.process.poll() is None:
                run.process.kill()
                run.process.wait()


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    made = Workshop(tmp_path_factory.mktemp("jobs"))
    yield made
    made.close()


Freeze = Callable[..., None]


@pytest.fixture
def freeze_inputs() -> Freeze:
    """Puts values into a job folder as a capture would."""

    def freeze_into(folder: JobFolder, **values: Any) -> None:
        from qhub_ext.capture.freeze import freeze
        from qhub_ext.capture.runtime import record_runtime
        from qhub_ext.settings import Settings

        freeze(values, values, limit_mb=16, main=values).write(folder.inputs)
        write_json(folder.runtime, {**record_runtime(Settings(), folder.path), "environment": {}})

    return freeze_into
