"""A throw-away JupyterHub behind a base_url: the real hub, the real proxy, a home of its own for every user."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Page

from qhub_ext.capture.request import Request
from qhub_ext.service import Job, JobService
from qhub_ext.settings import load_settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.browser.lab import free_port
from tests.sites.workshop import Workshop, sweep_up
from tests.waiting import wait_until

Enter = Callable[[str], Page]
"""Signs a user in, and answers with the page of their own JupyterLab."""

PROXY = Path(__file__).parents[2] / "labextension" / "node_modules" / ".bin" / "configurable-http-proxy"

CONFIG = """
c.JupyterHub.ip = "127.0.0.1"
c.JupyterHub.port = {port}
c.JupyterHub.base_url = "{base_url}"
c.JupyterHub.hub_port = {hub_port}
c.JupyterHub.db_url = "sqlite:///{home}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{home}/cookie_secret"
c.JupyterHub.cleanup_servers = True
c.ConfigurableHTTPProxy.command = ["{proxy}"]
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.ConfigurableHTTPProxy.pid_file = "{home}/proxy.pid"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "{password}"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{home}/{{username}}"
c.Spawner.notebook_dir = "~"
c.Spawner.start_timeout = c.Spawner.http_timeout = 180
c.Spawner.args = ["--allow-root", "--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None"]
c.Spawner.environment = {{"QHUB_EMBEDDED_CPUS": "1", "QHUB_EMBEDDED_WARM_KERNELS": "0"}}
"""


@dataclass
class Hub:
    home: Path
    base_url: str = "/quantum/"
    password: str = field(default_factory=lambda: secrets.token_hex(8))
    more: str = ""
    """Lines of its configuration, after all others."""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.base_url}"

    def start(self) -> None:
        facts = {"home": self.home, "proxy": PROXY, "hub_port": free_port(), "api_port": free_port()}
        config = self.home / "jupyterhub_config.py"
        config.write_text(CONFIG.format(**vars(self) | facts) + self.more)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("QHUB_", "JUPYTER", "XDG_"))}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment["CONFIGPROXY_AUTH_TOKEN"] = secrets.token_hex(16)
        with (self.home / "hub.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", config],
                cwd=self.home, env=environment, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self._answers, within_s=180, every_s=0.1, what=f"the hub at {self.address}")

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"The hub ended with {self.process.returncode}:\n{self.log[-4000:]}")
        try:
            with urllib.request.urlopen(f"{self.address}hub/health", timeout=60):
                return True
        except OSError:
            return False

    @property
    def log(self) -> str:
        return (self.home / "hub.log").read_text(errors="replace")

    def submit(self, user: str, name: str) -> Job:
        """As the user's own notebook does."""
        service = self.service(user)
        return service.submit(service.draft(Request(name=name, tier="local"), "print(1)", {}))

    def service(self, user: str) -> JobService:
        """The user's own jobs, where the defaults put them below that home."""
        home = self.home / user
        places = {
            "QHUB_SHELF": home / ".local/share/qhub/jobs",
            "QHUB_CACHE": home / ".cache/qhub",
            "QHUB_EMBEDDED_DIRECTORY": home / ".local/state/qhub/embedded" / socket.gethostname(),
        }
        return JobService(load_settings({name: str(path) for name, path in places.items()}, []))

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()  # it ends the users' servers, one after the other
            self.process.wait(240)
        for home in (path for path in self.home.iterdir() if (path / ".local/state/qhub/embedded").is_dir()):
            service = self.service(home.name)
            folders = [service.job(i).folder for i in service.shelf.ids()]
            sweep_up(Workshop(service.settings, EmbeddedSite(service.settings), folders))


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    try:
        hub.start()
        yield hub
    finally:
        hub.stop()
