"""Runs the benchmarks and rewrites their parts of the table of README.md: python -m tests.benchmarks [--quick] [--only NAME ...]

Each benchmark is a module with `lines(quick)`, run in a process of its own. --only takes some of them and leaves the other
parts of the table as they are; --quick takes few rounds, shows what it found, and leaves the README alone.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from tests.benchmarks.line import Line
from tests.benchmarks.table import between, merged, part, parts_of, render, write_between

README = Path(__file__).with_name("README.md")
BENCHMARKS = {
    "imports": "time to import, and to load the extension",
    "prompt": "time to the prompt of a %%qpu cell",
    "first_line": "time from submission to the user's first line",
    "emulation": "emulation beside Aer as a user would write it",
    "site": "many queued short jobs",
    "listing": "listing ten thousand finished jobs",
    "lock": "the lock of an environment",
    "explain": "explaining a job, without network",
    "trace": "traces of jobs",
    "fleet": "questions about a hundred thousand jobs",
    "server": "what the server extension costs JupyterLab, and how quick it answers",
    "slurm": "on a real Slurm",
    "qpu": "tasks on a device, here a virtual one",
    "calibration": "the calibration map of a device",
    "broker": "the broker: its policy, its decisions, and beside dask.distributed",
    "hybrid": "eight hybrid jobs at one device, on a real Slurm",
    "lab": "in JupyterLab",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rounds; does not write the README")
    parser.add_argument("--only", choices=BENCHMARKS, action="append", help="this one; may be given several times")
    parser.add_argument("--lines-to", type=Path, help=argparse.SUPPRESS)  # the child of a run
    asked = parser.parse_args()
    if asked.lines_to:
        lines = import_module(f"tests.benchmarks.bench_{asked.only[0]}").lines(asked.quick)
        asked.lines_to.write_text(json.dumps([line.to_json() for line in lines]))
        return 0
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode, and so have its peers
    compileall.compile_dir(README.parents[2] / "qhub_ext", quiet=1)
    broken: list[str] = []
    found = []
    held = True
    for name, title in BENCHMARKS.items():
        if asked.only and name not in asked.only:
            continue
        print(f"{title} ...", file=sys.stderr, flush=True)
        began_at, load_before = time.time(), os.getloadavg()[0]
        try:
            lines = measure(name, quick=asked.quick)
        except subprocess.CalledProcessError as error:
            broken.append(name)
            print(f"bench_{name} ended with {error.returncode}; the others go on", file=sys.stderr, flush=True)
            continue
        held &= all(line.holds is not False for line in lines)
        found.append(part(title, lines, began_at=began_at, load_before=load_before))
    print(render(found))
    if not asked.quick:
        write_between(README, render(merged(parts_of(between(README)), found, list(BENCHMARKS.values()))))
    if broken:
        print(f"Could not be measured, and is in the README as it was: {', '.join(broken)}.", file=sys.stderr)
        return 2
    return 0 if held else 1


def measure(name: str, *, quick: bool) -> list[Line]:
    """In a process of its own: no import, cache or memory of another benchmark counts."""
    with tempfile.TemporaryDirectory(prefix="qhub-bench-") as folder:
        found = Path(folder) / "lines.json"
        words = [sys.executable, "-m", "tests.benchmarks", "--only", name, "--lines-to", str(found)]
        subprocess.run([*words, "--quick"] if quick else words, check=True, cwd=README.parents[2])
        return [Line(**record) for record in json.loads(found.read_text())]


if __name__ == "__main__":
    raise SystemExit(main())
