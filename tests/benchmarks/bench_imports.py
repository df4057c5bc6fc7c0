"""What `import qhub_ext` and `%load_ext qhub_ext` add to a process, beside `import qiskit`."""

from __future__ import annotations

import subprocess
import sys

from tests.benchmarks.line import Line, take_turns

SHELL = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance()"


def inside(code: str, before: str = "pass") -> float:
    """Seconds that `code` takes in a fresh process, after `before`."""
    timed = f"{before}\nimport time\nbegan = time.perf_counter()\n{code}\nprint(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", timed], capture_output=True, text=True, check=True).stdout)


def lines(quick: bool) -> list[Line]:
    ours, extension, qiskit = take_turns(
        lambda: inside("import qhub_ext"),
        lambda: inside("shell.run_line_magic('load_ext', 'qhub_ext')", before=SHELL),
        lambda: inside("import qiskit"),
        rounds=2 if quick else 11,
    )
    return [
        Line("`import qhub_ext`", ours, "`import qiskit`", qiskit, ratio_at_most=0.1),
        Line("`%load_ext qhub_ext` in IPython", extension, "`import qiskit`", qiskit, ratio_at_most=0.1),
    ]
