"""Debian's Chromium before a throw-away JupyterLab with a real embedded site and real kernels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from qhub_ext.job.state import State
from tests.browser.desk import Desk, Picture, Witness
from tests.browser.hub import Enter, Hub
from tests.browser.lab import Lab, running

# what must come comes, however busy the machine is
expect.set_options(timeout=60_000)
TEST_S = 900


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", help="leave pictures of the front end there")
    parser.addoption("--labs", default="4.2", help="older versions of JupyterLab to try, such as 4.2,4.3,4.4,4.5")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(TEST_S))


@pytest.fixture(scope="session")
def base_url() -> None:
    """The plugin's own is a method, which pytest warns of; each lab has its own address anyway."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not path:
        pytest.fail("There is no chromium on PATH: `make browser` installs it, or apt-get install chromium.")
    # Playwright already passes --no-sandbox (needed as root) and switches background networking off;
    # /dev/shm may be tiny in a container
    return {
        **browser_type_launch_args,
        "executable_path": path,
        "args": ["--disable-dev-shm-usage", "--disable-quic"],
        "timeout": 180_000,
    }


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_context_args, "viewport": {"width": 1280, "height": 800}}


@pytest.fixture(scope="session")
def front() -> None:
    """The front end of these very sources, built and linked into this environment."""
    subprocess.run([sys.executable, Path(__file__).parents[2] / "labextension" / "front.py", "build"], check=True)


@pytest.fixture(scope="session")
def lab(front: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One for all tests that leave it alive."""
    with running(Lab(tmp_path_factory.mktemp("lab with space"))) as lab:
        yield lab


@pytest.fixture
def new_lab(front: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Lab]]:
    """A server of the test's own: to be killed, forbidden things, started elsewhere."""
    with ExitStack() as stack:

        def start(**options: Any) -> Lab:
            return stack.enter_context(running(Lab(tmp_path_factory.mktemp("lab"), **options)))

        yield start


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Picture:
    """Leaves a picture for eyes where `--screenshots` says; they take a while, and where nobody is to look there are none."""
    folder = request.config.getoption("screenshots")

    def take(name: str, of: Page | Locator) -> None:
        if folder is None:
            return
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        of.screenshot(path=place / f"{name}.png", animations="disabled", caret="hide")

    return take


@pytest.fixture
def desk_at(page: Page) -> Iterator[Callable[[Lab], Desk]]:
    """A page on a server of the test's own; see `desk`."""
    desks: list[Desk] = []

    def sit(lab: Lab) -> Desk:
        desks.append(Desk(page, lab))
        return desks[-1]

    yield sit
    page.unroute_all(behavior="ignoreErrors")  # nothing is asked for on behalf of a page that is about to go
    for desk in desks:
        desk.verdict()


@pytest.fixture
def desk(desk_at: Callable[[Lab], Desk], lab: Lab) -> Iterator[Desk]:
    """JupyterLab in a page; fails the test on traffic to other hosts, console errors and page errors."""
    shutil.rmtree(lab.home / "user-settings", ignore_errors=True)  # such as a theme that another test has left
    yield desk_at(lab)
    service = lab.service  # nothing may go on holding the CPUs of the site that all share
    service.apply("cancel", [job.id for job in service.jobs() if not State(job.state).final])


@pytest.fixture
def enter(browser: Browser, hub: Hub) -> Iterator[Enter]:
    """Each user in a browser profile of their own; fails the test on traffic to other hosts and on errors in their pages."""
    witnesses: list[Witness] = []

    def sign_in(user: str) -> Page:
        page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
        witness = Witness(page, hub.port)
        witnesses.append(witness)
        page.goto(f"{hub.address}hub/login?next={hub.base_url}hub/spawn")
        page.get_by_label("Username").fill(user)
        page.get_by_label("Password").fill(hub.password)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{hub.address}user/{user}/lab*", timeout=240_000)
        witness.settled()
        return page

    yield sign_in
    for witness in witnesses:
        witness.expect_errors("404")  # these tests ask for jobs of others
        witness.verdict()
