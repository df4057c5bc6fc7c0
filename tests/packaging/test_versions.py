"""Other versions of Python, and the oldest versions of all that we depend on: the wheel installs there, and a job runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from qhub_ext.reproduce.uv import run_uv
from tests.packaging.test_wheel import ROOT, run

pytestmark = pytest.mark.slow
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ",".join(PROJECT["optional-dependencies"])
BELL = """
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
circuit.measure_all()
counts = Sampler().run([transpile(circuit, backend(), seed_transpiler=1)], shots=100).result()[0].data.meas.get_counts()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = run_uv(["build", "-q", "--python", sys.executable, "--wheel", "--out-dir", str(folder), str(ROOT)])
    assert done.returncode == 0, done.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


def find_python(version: str) -> str:
    """uv looks on PATH and in its own folder; pyenv keeps others, whose names on PATH do not run."""
    found = run_uv(["python", "find", "--no-project", "--no-python-downloads", "--system", version])
    if found.returncode == 0:
        return found.stdout.strip()
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    kept = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    if not kept:
        pytest.skip(f"this machine has no Python {version}")
    return str(kept[-1])


@pytest.mark.parametrize(
    ("version", "how"),
    [
        pytest.param("", ("--resolution", "lowest-direct"), id="oldest dependencies"),
        pytest.param("3.12", ("-c", str(ROOT / "constraints.txt")), id="Python 3.12"),
        pytest.param("3.13", ("-c", str(ROOT / "constraints.txt")), id="Python 3.13"),
    ],
)
def test_the_wheel_installs_with_all_extras_and_runs_a_job(
    version: str, how: tuple[str, ...], wheel: Path, tmp_path: Path
) -> None:
    place = tmp_path / "venv"
    python = place / "bin" / "python"
    for words in (
        ["venv", "-q", "--python", find_python(version) if version else sys.executable, str(place)],
        ["pip", "install", "-q", "--python", str(python), *how, f"qhub-ext[{EXTRAS}] @ {wheel.as_uri()}"],
        ["pip", "check", "-q", "--python", str(python)],
    ):
        done = run_uv(words)
        assert done.returncode == 0, done.stderr
    for kind in ("labextension", "server extension"):
        told = run(place / "bin" / "jupyter", *kind.split(), "list", path=f"{place / 'bin'}:{os.environ['PATH']}")
        assert [line for line in told.splitlines() if "qhub" in line and "OK" in line], told
    (tmp_path / "bell.py").write_text(BELL)
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("QHUB_")},
        "QHUB_SHELF": str(tmp_path / "jobs"),
        "QHUB_CACHE": str(tmp_path / "cache"),
        "QHUB_EMBEDDED_DIRECTORY": str(tmp_path / "site"),
        "QHUB_EMBEDDED_IDLE_EXIT_S": "1",
        # what is kept ready for the next jobs would be for nobody, and compile all of its imports once more
        "QHUB_EMBEDDED_TEMPLATE": "0",
        "QHUB_EMBEDDED_WARM_KERNELS": "0",
    }
    done = subprocess.run(
        [place / "bin" / "qhub", "run", "bell.py", "--tier", "emulation", "--wait", "--json"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["state"] == "completed"
