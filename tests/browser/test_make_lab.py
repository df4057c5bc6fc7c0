"""`make lab`: JupyterLab on the tutorials, with the demonstration's site."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.desk import Witness
from tests.browser.lab import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


def is_open(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def test_make_lab_opens_the_tutorials_beside_the_jobs_of_the_demonstration(
    front: None, page: Page, tmp_path: Path
) -> None:
    port, token = free_port(), secrets.token_hex(16)
    options = {
        "ServerApp.ip": "127.0.0.1", "ServerApp.port": port, "ServerApp.port_retries": 0, "IdentityProvider.token": token,
        "LabApp.expose_app_in_browser": True, "LabApp.user_settings_dir": tmp_path, "LabApp.workspaces_dir": tmp_path,
    }  # fmt: skip
    words = " ".join(["--no-browser", *(f"--{name}={value}" for name, value in options.items())])
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("QHUB_", "JUPYTER", "XDG_", "MAKE", "MFLAGS"))}
    environment = kept | {"HOME": str(tmp_path), "JUPYTER_PLATFORM_DIRS": "1"}
    witness = Witness(page, port)
    with (tmp_path / "lab.log").open("wb") as log:
        made = subprocess.Popen(
            ["make", "-s", "-o", "front-built", "lab", f"ARGS={words}"],  # which is built
            cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        wait_until(lambda: is_open(port) or made.poll() is not None, within_s=240, every_s=0.1, what="JupyterLab")
        assert made.poll() is None, (tmp_path / "lab.log").read_text()[-2000:]
        page.goto(f"http://127.0.0.1:{port}/lab?token={token}")
        witness.settled()
        expect(page.locator(".jp-DirListing-content")).to_contain_text("01-first-job.ipynb")
        page.evaluate("void window.jupyterapp.commands.execute('qhub-ext:show-jobs')")
        sidebar = page.get_by_role("region", name="Quantum jobs")
        expect(sidebar.locator(".qhub-Head-site")).to_have_text("embedded")
        demo = page.evaluate(
            "fetch('/api/contents/01-first-job.ipynb?content=0').then(answer => answer.json()).then(file => file.type)"
        )
        assert demo == "notebook"
        witness.verdict()
    finally:
        os.killpg(made.pid, signal.SIGTERM)
        made.wait(240)
        wait_until(lambda: not is_open(port), what="the end of JupyterLab")
