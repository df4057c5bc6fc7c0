"""Capture imports nothing heavy: what a notebook has not imported, its values do not need."""

import subprocess
import sys

import pytest

from tests.capture.strangers import ROOT

HEAVY = ("qiskit", "qiskit_aer", "qiskit_ibm_runtime", "numpy", "pandas", "plotly", "IPython")
MODULES = ("command", "names", "freeze", "thaw", "fingerprint", "runtime", "manifest")


@pytest.mark.parametrize("module", MODULES)
def test_importing_and_using_a_part_of_capture_stays_light(module: str) -> None:
    code = f"""
import sys
import qhub_ext.capture.{module}
from qhub_ext.capture.freeze import freeze
from qhub_ext.capture.names import analyse
from qhub_ext.capture.fingerprint import fingerprint
values = {{"a": [1], "f": lambda: a}}
freeze(analyse("f(a)", values).reads, values, limit_mb=1).require()
fingerprint(values, values)
print(*(name for name in {HEAVY!r} if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == []
