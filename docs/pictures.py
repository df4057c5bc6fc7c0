"""Makes the pictures of the README anew: `make pictures`. A real JupyterLab, real jobs, the browser of the tests."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from qhub_ext.capture.sweep import Sweep  # noqa: E402 - the tests' own parts are found below the repository
from tests.browser.desk import Desk  # noqa: E402
from tests.browser.lab import Lab, running  # noqa: E402

BELL = """
from qiskit import QuantumCircuit
bell = QuantumCircuit(2)
bell.h(0)
bell.cx(0, 1)
bell.measure_all()
"""
JOB = """
%%qpu --tier emulation --shots 4000 --name "bell on kingston"
from qiskit.transpiler import generate_preset_pass_manager
from qhub_ext import Sampler, backend
from qiskit.visualization import plot_histogram

isa = generate_preset_pass_manager(3, backend=backend()).run(bell)
counts = Sampler().run([isa]).result()[0].data.meas.get_counts()
plot_histogram(counts)
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="qhub-pictures-") as home, sync_playwright() as playwright:
        chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--disable-dev-shm-usage"])
        page = browser.new_page(viewport={"width": 1360, "height": 860})
        with running(Lab(Path(home), quiet=True)) as lab:
            desk = Desk(page, lab)
            lab.notebook("first.ipynb", "%load_ext qhub_ext", BELL, JOB)
            desk.open_notebook("first.ipynb")
            desk.theme("light")
            desk.show_jobs()
            desk.run_all()
            expect(desk.card).to_have_attribute("data-state", "completed", timeout=120_000)
            lab.submit("0/0", name="wrong basis", tier="local").wait(60)
            sweep = (Sweep("field", tuple(n / 8 for n in range(8))),)
            lab.submit("import time; time.sleep(600)", name="ising sweep", tier="emulation", sweeps=sweep)
            lab.submit("1", name="ghz on 12 qubits", tier="emulation", device="fez", cpus=2)
            expect(desk.row("ising sweep")).to_contain_text("running", timeout=60_000)
            expect(desk.row("ghz on 12 qubits")).to_contain_text("by ")
            page.locator(".jp-OutputArea-output img").wait_for(timeout=60_000)
            desk.row("wrong basis").click()
            about = desk.sidebar.get_by_role("region", name="About wrong basis")
            expect(about).to_contain_text("your move", timeout=60_000)
            page.mouse.move(700, 640)  # away from the row, which shows buttons to who points at it
            page.screenshot(path=HERE / "lab-light.png", animations="disabled", caret="hide")
            desk.theme("dark")
            desk.card.get_by_role("button", name="Open").click()
            page.get_by_role("tab", name="Timeline").click()
            page.locator(".qhub-Timeline-bar").first.wait_for(timeout=60_000)
            page.screenshot(path=HERE / "lab-dark.png", animations="disabled", caret="hide")
            lab.service.apply("cancel", [job.id for job in lab.service.jobs(states=["running", "queued"])])
            desk.verdict()
        browser.close()


if __name__ == "__main__":
    main()
