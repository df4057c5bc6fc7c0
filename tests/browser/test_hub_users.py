"""JupyterHub as a centre runs it: each user's server is a process of that system user, with that user's home."""

from __future__ import annotations

import os
import pwd
import secrets
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import qhub_ext
from tests.browser.hub import Enter, Hub, running
from tests.browser.test_hub import ask, names
from tests.waiting import wait_until

PYTHON = Path("/usr/bin/python3")
REPOSITORY = Path(qhub_ext.__file__).parent.parent
SHARE, ETC = (Path(sysconfig.get_path("data")) / part / "jupyter" for part in ("share", "etc"))
LIBRARIES = f"{REPOSITORY}{os.pathsep}{sysconfig.get_paths()['purelib']}"

# root's own Python may lie where others cannot go; Debian's runs the same packages
SPAWNER = f"""
c.JupyterHub.spawner_class = "jupyterhub.spawner.LocalProcessSpawner"
c.Spawner.cmd = [{str(PYTHON)!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--LabApp.expose_app_in_browser=True", "--LabApp.news_url=None", "--LabApp.app_dir={SHARE / "lab"}"]
c.Spawner.environment |= {{
    "PYTHONPATH": {LIBRARIES!r}, "PYTHONDONTWRITEBYTECODE": "1", "JUPYTER_PATH": {str(SHARE)!r}, "JUPYTER_CONFIG_PATH": {str(ETC)!r},
}}
"""

POST = """async body => {
  const { baseUrl } = window.jupyterapp.serviceManager.serverSettings;
  const headers = { 'Content-Type': 'application/json', 'X-XSRFToken': document.cookie.match(/\\b_xsrf=([^;]*)/)[1] };
  const answer = await fetch(baseUrl + 'qhub_ext/jobs', { method: 'POST', headers, body: JSON.stringify(body) });
  return [answer.status, await answer.text()];
}"""


@dataclass(frozen=True)
class People:
    alice: str
    bob: str


@pytest.fixture(scope="module")
def people() -> Iterator[People]:
    """Two system users for the time of these tests."""
    if os.geteuid() != 0:
        pytest.skip("Only root can make system users.")
    if not PYTHON.exists() or _version([str(PYTHON)]) != sys.version_info[:2]:
        pytest.skip(f"{PYTHON} is not of this Python's version, and other users may not reach {sys.executable}.")
    mark = secrets.token_hex(3)
    made = People(f"qhub-a{mark}", f"qhub-b{mark}")
    try:
        for user in (made.alice, made.bob):
            subprocess.run(["useradd", "--create-home", "--user-group", "--shell", "/bin/bash", user], check=True)
        found = _as(made.alice, "import qhub_ext, jupyterlab; print('ready')")
        if found != "ready":
            pytest.skip(f"Other users cannot run this checkout with {PYTHON}: {found[-200:]}")
        yield made
    finally:
        for user in (made.alice, made.bob):
            _end_processes(user)
            subprocess.run(["userdel", "--remove", user], capture_output=True, check=False)


def _version(python: list[str]) -> tuple[int, ...]:
    code = "import sys; print(*sys.version_info[:2])"
    return tuple(
        map(int, subprocess.run([*python, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    )


def _as(user: str, code: str) -> str:
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": LIBRARIES,
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": pwd.getpwnam(user).pw_dir,
    }
    done = subprocess.run(
        [PYTHON, "-c", code], user=user, env=environment, cwd="/", capture_output=True, text=True, check=False
    )
    return (done.stdout or done.stderr).strip()


def _end_processes(user: str) -> None:
    """Those of the user that these tests made, by their ids."""
    try:
        uid = pwd.getpwnam(user).pw_uid
    except KeyError:
        return

    def left() -> list[int]:
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
        return [pid for pid in pids if _owner(pid) == uid]

    for pid in left():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not left(), what=f"the end of the processes of {user}")


def _owner(pid: int) -> int | None:
    try:
        return Path(f"/proc/{pid}").stat().st_uid
    except FileNotFoundError:
        return None


@pytest.fixture(scope="module")
def hub(front: None, people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with running(Hub(tmp_path_factory.mktemp("hub"), more=SPAWNER)) as hub:
        yield hub


def submit(page: Page, name: str) -> None:
    status, text = page.evaluate(POST, {"source": "import os\nprint(os.getuid())", "name": name, "tier": "local"})
    assert status == 201, text


def test_two_system_users_have_their_own_jobs_that_run_as_them_and_no_way_to_the_others(
    hub: Hub, enter: Enter, people: People
) -> None:
    alice, bob = enter(people.alice), enter(people.bob)
    submit(alice, "alices job")
    submit(bob, "bobs job")
    for user, page, own, other in (
        (people.alice, alice, "alices job", "bobs job"),
        (people.bob, bob, "bobs job", "alices job"),
    ):
        assert names(page) == [own]
        page.evaluate("void window.jupyterapp.commands.execute('qhub-ext:show-jobs')")
        jobs = page.get_by_role("region", name="Quantum jobs").get_by_role("grid", name="Jobs")
        expect(jobs).to_contain_text("completed")
        expect(jobs.get_by_text(other)).to_have_count(0)
        entry = pwd.getpwnam(user)
        shelf = Path(entry.pw_dir) / ".local/share/qhub/jobs"
        [folder] = [path for path in shelf.iterdir() if (path / "spec.json").exists()]
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o077) == (entry.pw_uid, 0)
        assert ask(page, f"qhub_ext/jobs/{folder.name}/logs") == (200, f"{entry.pw_uid}\n")
        stranger = people.bob if user == people.alice else people.alice
        assert "Permission denied" in _as(stranger, f"open({str(folder / 'spec.json')!r})")

    stray = bob.context.new_page()
    for path in ("jobs", "status", "openapi.json"):
        answer = stray.goto(f"{hub.address}user/{people.alice}/qhub_ext/{path}")
        assert answer is not None
        assert (answer.status, "alices job" in answer.text()) == (403, False), path
