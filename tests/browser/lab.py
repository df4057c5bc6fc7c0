"""A throw-away JupyterLab that shares nothing with the user's own: home, settings, jobs, queue, port."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from qhub_ext.capture.request import Request
from qhub_ext.job.identity import short_id
from qhub_ext.service import Job, JobService
from qhub_ext.settings import load_settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.sites.workshop import Workshop, sweep_up
from tests.waiting import wait_until

OVERRIDES = {
    # nothing may reach for the outside, nor pop up over what is tested
    "@jupyterlab/apputils-extension:notification": {"checkForUpdates": False, "fetchNews": "false"},
    "@jupyterlab/extensionmanager-extension:plugin": {"enabled": False},
}

CARD = "application/vnd.qhub.job.v1+json"
APPS = {"jupyterlab": "LabApp", "notebook": "JupyterNotebookApp"}
"""Module -> its class, under which it is configured."""


@dataclass
class Lab:
    """`start` and `stop` may be called again and again; port and token stay unless told otherwise."""

    home: Path
    app: str = "jupyterlab"
    python: str = sys.executable
    options: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    base_url: str = "/"
    quiet: bool = False
    """Whether no notification pops up."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What the user has set for the page, by plugin."""
    packages: Path | None = None
    """A folder with more Python packages for the server."""
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for folder in ("work", "lab-settings", "etc/jupyter"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        notification = "@jupyterlab/apputils-extension:notification"
        overrides = (
            OVERRIDES | {notification: OVERRIDES[notification] | {"doNotDisturbMode": self.quiet}} | self.settings
        )
        (self.home / "lab-settings" / "overrides.json").write_text(json.dumps(overrides))
        self.port = self.port or free_port()

    @property
    def work(self) -> Path:
        return self.home / "work"

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    @property
    def variables(self) -> dict[str, str]:
        return {
            "QHUB_SHELF": str(self.home / "jobs"),
            "QHUB_CACHE": str(self.home / "cache"),
            "QHUB_EMBEDDED_DIRECTORY": str(self.home / "site"),
            "QHUB_EMBEDDED_CPUS": "2",
            "QHUB_EMBEDDED_WARM_KERNELS": "0",
            "QHUB_QPU_VIRTUAL_DIRECTORY": str(self.home / "virtual-qpu"),
        }

    @property
    def service(self) -> JobService:
        return JobService(load_settings(self.variables, []))

    def start(self) -> None:
        home = self.home
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("QHUB_", "JUPYTER", "XDG_"))}
        environment = {
            **kept,
            **self.variables,
            "HOME": str(home),
            "JUPYTER_CONFIG_DIR": str(home / "config"),
            "JUPYTER_DATA_DIR": str(home / "data"),
            "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
            "IPYTHONDIR": str(home / "ipython"),
            "JUPYTER_PLATFORM_DIRS": "1",
            "NO_PROXY": "127.0.0.1",
        }
        if self.packages is not None:
            environment["PYTHONPATH"] = str(self.packages)
        command = [
            *(self.python, "-m", self.app, "--no-browser", "--allow-root"),
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.base_url={self.base_url}",
            f"--ServerApp.root_dir={self.work}",
            f"--IdentityProvider.token={self.token}",
            f"--{APPS[self.app]}.app_settings_dir={home / 'lab-settings'}",
            f"--{APPS[self.app]}.user_settings_dir={home / 'user-settings'}",
            f"--{APPS[self.app]}.workspaces_dir={home / 'workspaces'}",
            f"--{APPS[self.app]}.expose_app_in_browser=True",
            "--LabApp.news_url=None",
            "--LabApp.extension_manager=readonly",
            *self.options,
        ]
        with (home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.work, env=environment, stdout=log, stderr=log)
        wait_until(self._answers, within_s=120, every_s=0.05, what=f"{self.app} at {self.address}")

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"{self.app} ended with {self.process.returncode}:\n{self.log[-4000:]}")
        try:
            self.ask("api/status")
        except OSError:
            return False
        return True

    @property
    def log(self) -> str:
        return (self.home / "server.log").read_text(errors="replace")

    def ask(self, path: str, method: str = "GET") -> Any:
        """JSON of the server's own interface."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.address}{path}", headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def stop(self, *, hard: bool = False) -> None:
        """`hard` kills the server as a failing machine does: nothing is put in order, kernels go on."""
        if self.process is None:
            return
        if hard:
            self.process.kill()
        else:
            self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(60)
        self.process = None

    def submit(self, cell: str, namespace: dict[str, Any] | None = None, **options: Any) -> Job:
        """A real job of the embedded site, as the notebook submits it."""
        service = self.service
        return service.submit(service.draft(Request(**options), cell, namespace or {}))

    def card(self, job: Job) -> dict[str, Any]:
        """The output that the notebook keeps of a job which it submitted."""
        record = self.service.record(job.id).to_json()
        return {
            "output_type": "display_data",
            "data": {CARD: record, "text/plain": f"Job {short_id(job.id)}"},
            "metadata": {"qhub": {"job": job.id, "home": True}},
        }

    def notebook(self, name: str, *cells: str, outputs: dict[int, list[dict[str, Any]]] | None = None) -> Path:
        """`outputs` are what the cells of these numbers have saved."""
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in cells])
        for number, saved in (outputs or {}).items():
            made.cells[number].outputs = [nbformat.from_dict(output) for output in saved]
        made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(made, self.work / name)
        return self.work / name

    def sweep(self) -> None:
        """Ends the daemon and the jobs that are left."""
        service = self.service
        jobs = [service.job(i) for i in service.shelf.ids()]
        folders = [one.folder for job in jobs for one in (job, *job.elements)]
        sweep_up(Workshop(service.settings, EmbeddedSite(service.settings), folders))


@contextmanager
def running(lab: Lab) -> Iterator[Lab]:
    try:
        lab.start()
        yield lab
    finally:
        lab.stop()
        lab.sweep()


def free_port() -> int:
    """Below those that the system gives to connections and to kernels: a server that is down for a while finds it free again."""
    while True:
        port = secrets.choice(range(20_000, 32_000))
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
