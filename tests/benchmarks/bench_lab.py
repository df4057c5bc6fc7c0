"""What people feel in JupyterLab: how soon a change of a job shows, how soon the sidebar opens, and what a page fetches of ours.

A real JupyterLab with the real embedded site, in a real Chromium. No peer has a sidebar of jobs; the bounds are this project's own.
"""

from __future__ import annotations

import gzip
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests.benchmarks.line import Line
from tests.browser.desk import Desk
from tests.browser.lab import Lab, running
from tests.browser.test_sidebar import MANY, fill, open_ms

ROOT = Path(__file__).parents[2]
SLEEP = "import time; time.sleep(600)"

WATCH = """id => {
  window.qhubSeen = [];
  window.jupyterapp.serviceManager.events.stream.connect((_, hint) => {
    if (hint.schema_id !== 'urn:qhub-ext:hint:1' || hint.id !== id || !['held', 'queued'].includes(hint.state)) {
      return;
    }
    const heard = performance.now();
    const look = () => {
      const row = document.querySelector(`.qhub-JobRow[data-job="${id}"]`);
      if (row && row.innerText.includes(hint.state)) {
        window.qhubSeen.push([hint.state, performance.now() - heard, performance.timeOrigin + performance.now()]);
      } else {
        requestAnimationFrame(look);
      }
    };
    look();
  });
}"""


def lines(quick: bool) -> list[Line]:
    subprocess.run([sys.executable, ROOT / "labextension" / "front.py", "build"], check=True)
    chromium = shutil.which("chromium")
    if chromium is None:
        return bundle()
    with (
        tempfile.TemporaryDirectory(prefix="qhub-lab-") as folder,
        running(Lab(Path(folder) / "home", quiet=True)) as lab,
        sync_playwright() as player,
    ):
        browser = player.chromium.launch(executable_path=chromium, args=["--disable-dev-shm-usage", "--disable-quic"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(60_000)
        found = [*changes(Desk(page, lab), 4 if quick else 20), *opening(page, Path(folder) / "full", quick)]
        browser.close()
    return [*found, *bundle()]


def changes(desk: Desk, times: int) -> list[Line]:
    """A waiting job is held and released from another process, again and again."""
    service = desk.lab.service
    first = desk.lab.submit(SLEEP, name="in the way", tier="local", cpus=2)
    second = desk.lab.submit("print(1)", name="in line", tier="local", cpus=2)
    page = desk.open()
    desk.show_jobs()
    desk.row("in line").filter(has_text="queued").first.wait_for()
    page.evaluate(WATCH, second.id)
    whole = []
    for turn in range(2 * times):
        verb, state = (("hold", "held"), ("release", "queued"))[turn % 2]
        asked = page.evaluate("performance.timeOrigin + performance.now()")
        service.apply(verb, [second.id])
        page.wait_for_function(f"window.qhubSeen.length > {turn}")
        shown, _, at = page.evaluate("window.qhubSeen.at(-1)")
        assert shown == state
        whole.append((at - asked) / 1e3)
    heard = [ms / 1e3 for _, ms, _ in page.evaluate("window.qhubSeen")]
    for job in (second, first):
        job.cancel()
    return [
        Line("a hint until the change is on the page, median", statistics.median(heard), at_most=0.15),
        Line("a hold or release asked elsewhere until it is on the page, median", statistics.median(whole)),
    ]


def opening(page: Page, home: Path, quick: bool) -> list[Line]:
    """With a server of its own, on whose shelf they lie."""
    lab = Lab(home, quiet=True)
    fill(lab.home / "jobs", MANY)
    try:
        lab.start()
        desk = Desk(page, lab)
        desk.open()
        desk.show_jobs()
        desk.sidebar.locator(f"[role=grid][aria-rowcount='{MANY}']").wait_for()
        took = statistics.median(open_ms(desk) for _ in range(3 if quick else 9)) / 1e3
    finally:
        lab.stop()
    return [Line("opening the sidebar with 10,000 jobs, median", took, at_most=0.3)]


def bundle() -> list[Line]:
    files = (ROOT / "qhub_ext" / "labextension" / "static").glob("*.js")
    size = sum(len(gzip.compress(file.read_bytes(), 9)) for file in files) / 1e3
    return [Line("the front end, gzipped", size, unit="kB", at_most=100.0)]
