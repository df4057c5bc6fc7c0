"""What a submission may cost, in things that can be counted: files, folders, processes, imports. Clocks are left to the benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.service.draft import draft_job
from qhub_ext.settings import Settings
from qhub_ext.tiers import catalog

ROOT = Path(__file__).parents[2]

# counts what Python's own audit hooks tell of the third submission of a notebook, card included
COUNT = """
import json, os, sys
from tests.benchmarks.bench_prompt import Notebook, place_of_its_own
counting, made, opened, started, folders = False, [], [], [], []

def hear(event, args):
    if not counting:
        return
    if event == "open" and isinstance(args[0], (str, bytes)):
        (made if args[2] & os.O_CREAT else opened).append(os.fsdecode(args[0]))
    elif event == "os.mkdir":
        folders.append(args[0])
    elif event in ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.system"):
        started.append(event)

sys.addaudithook(hear)
with place_of_its_own():
    notebook = Notebook()
    for _ in range(2):
        notebook.submit()
        notebook.clear()
    modules = set(sys.modules)
    counting = True
    notebook.submit()
    counting = False
    late = sorted(set(sys.modules) - modules)
    notebook.clear()
print(json.dumps({"made": made, "opened": opened, "started": started, "folders": [str(f) for f in folders], "late": late}))
"""


@pytest.fixture(scope="module")
def cost() -> dict[str, list[str]]:
    """Of the third `%%qpu` of a notebook, with a circuit captured, while the daemon lives."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_a_submission_starts_no_process_and_imports_nothing_new(cost: dict[str, list[str]]) -> None:
    assert cost["started"] == []
    assert cost["late"] == []


def test_a_submission_writes_a_handful_of_files(cost: dict[str, list[str]]) -> None:
    # spec, cell, runtime, script, the circuit and its manifest, the journal, the letter to the site
    assert len(cost["made"]) <= 8, cost["made"]
    assert len(cost["folders"]) <= 10, cost["folders"]


def test_a_submission_reads_few_files(cost: dict[str, list[str]]) -> None:
    # how many of git's there are depends on the checkout, and how often the queue is looked at on how soon the daemon answers
    read = {path for path in cost["opened"] if ".git" not in Path(path).parts}
    assert len(read) <= 14, sorted(read)


def test_a_submission_reads_no_calibration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "read_snapshot", lambda name: pytest.fail(f"the snapshot of {name} was read"))
    assert draft_job(Request(), "x = 1", {}, Settings(shelf=tmp_path)).spec.device == "kingston"


def test_a_submission_of_plain_values_imports_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from qhub_ext.capture.request import Request
from qhub_ext.service import JobService
from qhub_ext.settings import EmbeddedSettings, Settings
service = JobService(Settings(shelf=Path({str(tmp_path)!r}), embedded=EmbeddedSettings(directory=Path({str(tmp_path / "site")!r}))))
service.draft(Request(), "y = x + 1", {{"x": 1}})
service.jobs()
heavy = {{"qiskit", "qiskit_aer", "qiskit_ibm_runtime", "numpy", "pandas", "plotly", "IPython", "click", "rich", "psutil",
         "asyncio", "qhub_ext.sites.embedded.daemon", "qhub_ext.sites.slurm.site"}}
print(*sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
