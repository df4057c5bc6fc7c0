"""Starts a fresh interpreter that thaws a folder into its `__main__` and then runs some lines, as a job's kernel would."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_after_thaw(folder: Path, code: str, *, cwd: Path | None = None) -> str:
    """What the lines printed; fails with their traceback."""
    start = (
        f"from pathlib import Path\nfrom qhub_ext.capture.freeze import thaw\nthaw(Path({str(folder)!r}), globals())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", start + code],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class Notebook:
    """A namespace that stands for a notebook's `__main__`, whatever runs the tests."""

    def __init__(self) -> None:
        self.names: dict[str, object] = {"__name__": "__main__"}

    def run(self, cell: str) -> None:
        exec(compile(cell, "<cell>", "exec"), self.names)
