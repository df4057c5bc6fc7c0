"""A shelf and a site under one folder, and job folders made as the service makes them."""

from __future__ import annotations

import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qhub_ext.job.identity import new_job_id
from qhub_ext.job.record import JobRecord
from qhub_ext.job.spec import Element, JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.atomic import read_json_or_none, write_json
from qhub_ext.jobfolder.journal import append_once
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outcome import read_record
from qhub_ext.settings import EmbeddedSettings, Settings
from qhub_ext.sites.embedded.processes import kill_session, process_of
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.sites.scheduler import SiteScheduler
from tests.waiting import wait_until

# What a runner does, in the shell: seals an outcome, exclusively. TERM seals what the site's journal says.
SEAL = r"""
seal() {
  printf '{"schema":"qhub.outcome/1","state":"%s","running_at":1.0,"ended_at":2.0,"sealed_by":"runner"}' "$1" \
    > "attempts/$QHUB_ATTEMPT/.o.$$"
  ln "attempts/$QHUB_ATTEMPT/.o.$$" "attempts/$QHUB_ATTEMPT/outcome.json"; rm "attempts/$QHUB_ATTEMPT/.o.$$"
}
"""


@dataclass
class Workshop:
    """`site` under test. What it starts, `close` ends."""

    settings: Settings
    site: SiteScheduler
    made: list[JobFolder] = field(default_factory=list)

    def job(self, script: str, **spec: Any) -> JobFolder:
        """A complete folder; `script` runs in bash with `seal STATE` defined."""
        job_id = spec.pop("id", None) or new_job_id()
        folder = JobFolder(Path(self.settings.shelf) / job_id)
        return self._fill(folder, script, job_id, spec)

    def cell(self, cell: str, **spec: Any) -> JobFolder:
        """A folder for the real runner."""
        folder = self.job("", **{"directory": str(self.settings.shelf), "environment_digest": "e", **spec})
        folder.inputs.mkdir(mode=0o700)
        folder.cell.write_text(cell)
        write_json(folder.runtime, {"python": platform.python_version(), "packages": {}, "environment": {}})
        folder.script.write_text(self.site.render_script(folder))
        return folder

    def array(self, script: str, size: int, **spec: Any) -> tuple[JobFolder, list[JobFolder]]:
        array_id = new_job_id()
        whole = JobFolder(Path(self.settings.shelf) / array_id)
        self._fill(whole, script, array_id, {**spec, "size": size})
        elements = [
            self._fill(
                whole.element(n),
                script,
                whole.element(n).id,
                {**spec, "element": Element(array_id, n, {"x": n})},
            )
            for n in range(size)
        ]
        return whole, elements

    def _fill(self, folder: JobFolder, script: str, job_id: str, spec: dict[str, Any]) -> JobFolder:
        folder.path.mkdir(mode=0o700, parents=True)
        values = {
            "name": "a job",
            "tier": "local",
            "device": "kingston",
            "created_at": time.time(),
            "owner": "me",
            "grace_s": 1,
            "python": sys.executable,
        }
        write_json(folder.spec, JobSpec(id=job_id, **{**values, **spec}).to_json())
        folder.script.write_text(f"#!/bin/bash\n{SEAL}\n{script}\n")
        append_once(folder.journal("client-test"), "state", state=State.SUBMITTED.value)
        self.made.append(folder)
        return folder

    def submit(self, script: str, **spec: Any) -> JobFolder:
        folder = self.job(script, **spec)
        self.site.submit([folder])
        return folder

    # ------------------------------------------------------------------ looking

    def record(self, folder: JobFolder) -> JobRecord:
        return read_record(folder)

    def state(self, folder: JobFolder) -> State:
        return read_record(folder).state

    def reported(self, folder: JobFolder) -> State | None:
        report = self.site.poll([folder.id]).get(folder.id)
        return report.state if report else None

    def until_final(self, *folders: JobFolder, within_s: float = 120.0) -> list[JobRecord]:
        """The job has ended, the site has let go of it, and has told of each attempt."""
        ids = [folder.id for folder in folders]
        wait_until(
            # the site is asked first: to look is what starts a daemon again that was killed
            lambda: (
                not self.site.poll(ids)
                and all(attempt.state.final for folder in folders for attempt in self.record(folder).attempts)
            ),
            within_s=within_s,
            what=f"the end of {ids}",
        )
        return [self.record(folder) for folder in folders]

    def until_running(self, folder: JobFolder, within_s: float = 120.0) -> AttemptFolder:
        """Of a job that goes on until it is told to end: a short one may be over before anybody looks."""

        def begun() -> AttemptFolder | None:
            attempt = folder.latest_attempt()
            # the console is opened by the script's own process, after the gate
            return attempt if attempt and attempt.console.exists() and self.reported(folder) is State.RUNNING else None

        return wait_until(begun, within_s=within_s, what=f"the start of {folder.id}")  # type: ignore[return-value]

    def until_written(self, path: Path, within_s: float = 120.0) -> str:
        return wait_until(lambda: path.exists() and path.read_text(), within_s=within_s, what=str(path))  # type: ignore[return-value]


@contextmanager
def embedded_workshop(
    tmp_path: Path, *, cpus: int = 2, idle_exit_s: float = 60.0, **embedded: Any
) -> Iterator[Workshop]:
    settings = Settings(
        shelf=tmp_path / "shelf",
        cache=tmp_path / "cache",
        embedded=EmbeddedSettings(
            **{
                "directory": tmp_path / "spool",
                "cpus": cpus,
                "idle_exit_s": idle_exit_s,
                "warm_kernels": 0,
                **embedded,
            }
        ),
    )
    workshop = Workshop(settings, EmbeddedSite(settings))
    try:
        yield workshop
    finally:
        sweep_up(workshop)


def sweep_up(workshop: Workshop) -> None:
    """Ends the daemon, then the jobs. A launcher that ends would start the daemon again unless daemon.json is gone."""
    site = site_of(workshop)

    def all_gone() -> bool:
        with suppress(FileNotFoundError, NotADirectoryError):
            site.spool.identity.unlink()
        for pid in daemon_pids(site.spool.directory):
            with suppress(ProcessLookupError):  # it has just ended by itself
                os.kill(pid, signal.SIGKILL)
        for folder in workshop.made:
            for number in folder.attempt_numbers():
                end_attempt(folder.attempt(number))
        return not daemon_pids(site.spool.directory)

    wait_until(all_gone, what="the end of everything that the test started")


def site_of(shop: Workshop) -> EmbeddedSite:
    assert isinstance(shop.site, EmbeddedSite)
    return shop.site


def daemon_pids(directory: Path) -> list[int]:
    """Daemons and launchers of this spool, by their command line."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                words = Path(f"/proc/{name}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if len(words) > 4 and words[3].endswith((b"daemon.py", b"launch.py")) and str(directory).encode() in words:
                found.append(int(name))
    return found


def end_attempt(attempt: AttemptFolder) -> None:
    launch = read_json_or_none(attempt.launch)
    if not isinstance(launch, dict):
        return
    for record in (launch, launch.get("script")):
        process = process_of(record, boot=launch.get("boot_id", ""))
        if process is not None and process.lives():
            kill_session(launch["session"])


def launch_record(attempt: AttemptFolder) -> dict[str, Any]:
    return dict(json.loads(attempt.launch.read_text()))


Make = Callable[..., Workshop]


def end_virtual_qpu(directory: Path) -> None:
    """The one that an embedded site started there, if it did."""
    with suppress(FileNotFoundError):
        os.kill(json.loads((directory / "server.json").read_text())["pid"], signal.SIGTERM)
