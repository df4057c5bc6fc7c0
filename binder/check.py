"""Carries out what Binder does, without Docker: a fresh environment, postBuild, start, JupyterLab, and notebook 01 in Chromium.

    python binder/check.py [--keep DIR]

Takes minutes: `make binder` runs it, `make test` does not. The exit code is 0 when notebook 01 has run to its end in the browser, and each line of its table is as expected.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from qhub_ext.service import JobService  # noqa: E402 - the tests' own parts are found below the repository
from qhub_ext.settings import load_settings  # noqa: E402
from qhub_ext.sites.embedded.site import EmbeddedSite  # noqa: E402
from tests.sites.workshop import Workshop, end_virtual_qpu, sweep_up  # noqa: E402

START_S, NOTEBOOK_S = 300, 1800
READY = """async () => {
  const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
  await context.ready;
  await sessionContext.ready;
  await sessionContext.session.kernel.info;
}"""
RUN_ALL = """() => {
  window.ran = false;
  void window.jupyterapp.commands.execute('notebook:run-all-cells').finally(() => { window.ran = true; });
}"""
TABLE = """() => {
  const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
  const table = cells.find(cell => (cell.getMetadata('tags') ?? []).includes('demo-table'));
  return table.executionCount ? table.outputs.toJSON().at(-1).data['text/plain'] : '';
}"""


def copy_tree(target: Path) -> None:
    """The tree as git has it or would: what Binder clones."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, names.split("\0")):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def build(home: Path) -> dict[str, str]:
    """The environment variables of a session in it."""
    subprocess.run([sys.executable, "-m", "venv", home / "env"], check=True)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("QHUB_", "JUPYTER", "VIRTUAL_ENV"))}
    session = kept | {
        "PATH": f"{home / 'env' / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "BINDER_PLACE": str(home / "session"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "NO_PROXY": "127.0.0.1",
    }
    subprocess.run([home / "tree" / "binder" / "postBuild"], env=session, check=True)
    return session


def use(address: str, token: str, picture: Path) -> str:
    """Runs notebook 01 as a visitor does; answers with the table at its end, or what stands there where it did not come so far."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-quic"]
        )
        page = browser.new_page(viewport={"width": 1360, "height": 860})
        page.goto(f"{address}/lab/tree/notebooks/01-first-job.ipynb?token={token}")
        page.wait_for_function("window.jupyterapp !== undefined", timeout=START_S * 1000)
        expect(page.locator(".jp-NotebookPanel .jp-Cell").first).to_be_visible(timeout=START_S * 1000)
        page.evaluate(READY)  # what is run before the kernel has answered is lost
        page.evaluate(RUN_ALL)
        try:
            page.wait_for_function("window.ran", timeout=NOTEBOOK_S * 1000)
            return str(page.evaluate(TABLE))
        finally:
            page.screenshot(path=picture)
            browser.close()


def end_session(place: Path) -> None:
    """The site and the virtual QPU of a session, which would wait for more work for a while."""
    settings = load_settings({}, [place / "qhub.toml"])
    service = JobService(settings)
    end_virtual_qpu(place / "virtual-qpu")
    sweep_up(Workshop(settings, EmbeddedSite(settings), [service.job(i).folder for i in service.shelf.ids()]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="where everything goes, and stays")
    asked = parser.parse_args()
    home = Path(asked.keep or tempfile.mkdtemp(prefix="qhub-binder-")).resolve()
    began = time.monotonic()
    copy_tree(home / "tree")
    session = build(home)
    print(f"built after {time.monotonic() - began:.0f} s", flush=True)
    port, token = free_port(), secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}"
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    command = [
        *(home / "tree" / "binder" / "start", "jupyter", "lab", "--no-browser", "--ServerApp.ip=127.0.0.1", *as_root),
        *(f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", "--LabApp.news_url=None"),
        "--LabApp.expose_app_in_browser=True",
    ]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=home / "tree", env=session, stdout=log, stderr=log)
    try:
        until = time.monotonic() + START_S
        while True:
            try:
                urllib.request.urlopen(f"{address}/api", timeout=5).close()  # noqa: S310 - our own server
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > until:
                    print((home / "server.log").read_text()[-4000:], file=sys.stderr)
                    return 1
                time.sleep(0.2)
        print(f"JupyterLab answers after {time.monotonic() - began:.0f} s", flush=True)
        table = use(address, token, home / "notebook.png")
        print(f"{table}\nnotebook 01 ended after {time.monotonic() - began:.0f} s")
        return 0 if "✓ completed" in table and "✗" not in table else 1
    finally:
        server.terminate()
        server.wait(30)
        end_session(home / "session")
        if asked.keep is None:
            shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
