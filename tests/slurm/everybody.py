"""An environment as an operator installs it for all users: Debian's Python with the packages of this checkout, in a place that everybody may read."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import qhub_ext
from tests.slurm.cluster import Cluster

PYTHON = Path("/usr/bin/python3")
"""root's own Python may lie where others cannot go; Debian's runs the same packages."""
REPOSITORY = Path(qhub_ext.__file__).parent.parent
USER = "qhub-alice"


def install(cluster: Cluster, prefix: Path, **programs: str) -> Path:
    """Its Python. `programs` are console scripts: name -> module:function. Skips the test where others cannot read this checkout."""
    if not PYTHON.exists():
        pytest.skip(f"There is no {PYTHON}, and other users may not reach {sys.executable}.")
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", prefix], check=True)
    python = prefix / "bin" / "python"
    purelib = sysconfig.get_path("purelib", vars={"base": str(prefix)})
    libraries = f"{REPOSITORY}\nimport site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (Path(purelib) / "checkout.pth").write_text(libraries)
    for name, place in programs.items():
        module, _, function = place.partition(":")
        script = prefix / "bin" / name.replace("_", "-")
        script.write_text(f"#!{python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        script.chmod(0o755)
    asked = "import sys, qhub_ext, qiskit_aer; print(*sys.version_info[:2])"
    found = cluster.run(str(python), "-c", asked, user=USER).stdout.split()
    if found != [str(part) for part in sys.version_info[:2]]:
        pytest.skip(f"Other users cannot run this checkout with {PYTHON}: {' '.join(found)[-200:]}")
    return python
