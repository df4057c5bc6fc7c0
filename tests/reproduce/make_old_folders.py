"""Job folders of the present version, to be kept as those that later versions read: one of each way in which a job can go.

    python -m tests.reproduce.make_old_folders tests/data/folders/v1

Run it before a change of what folders hold, with the next number, and commit what it makes. Names of this computer are replaced.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import site
import sys
import tempfile
from pathlib import Path
from typing import Any

import qhub_ext
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.reproduce.lock import read_lock_text
from tests.front.conftest import Place, set_up_place
from tests.waiting import wait_until

SAMPLE = """
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(2)
circuit.h(0); circuit.cx(0, 1); circuit.measure_all()
counts = Sampler().run([transpile(circuit, backend(), seed_transpiler=1)]).result()[0].data.meas.get_counts()
"""
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        {"id": "says", "cell_type": "markdown", "metadata": {}, "source": "Two cells, of which the second fails."},
        {"id": "one", "cell_type": "code", "metadata": {}, "source": "x = 41\nx + 1", "outputs": [], "execution_count": None},
        {"id": "two", "cell_type": "code", "metadata": {}, "source": "x / 0", "outputs": [], "execution_count": None},
    ],
}  # fmt: skip
JOBS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "fails": ("fails.py", "print('before')\n1 / 0\n", ("--tier=local",)),
    "on a virtual QPU": ("qpu.py", SAMPLE, ("--tier=qpu", "--device=manila", "--shots=100")),
    "sweep": ("sweep.py", "y = x * x\nif x == 2:\n    raise ValueError('two')\n", ("--tier=local", "--sweep=x=1,2,3")),
    "notebook": ("two.ipynb", json.dumps(NOTEBOOK), ("--tier=local",)),
}
KEPT = ("cloudpickle", "ipykernel", "numpy", "qhub-ext", "qiskit", "qiskit-aer", "scipy")


def main(target: Path) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="qhub-old-") as folder,
        set_up_place(Path(folder), QHUB_QPU_VIRTUAL_SPEED="1000") as place,
    ):
        for name, (file, text, words) in JOBS.items():
            (place.path / file).write_text(text)
            told = place.command("run", file, "--name", name, *words, "--wait", "--json", code=None)
            job = JobFolder(place.settings.shelf / json.loads(told)["id"])
            wait_until(job.lock.exists, within_s=120, what="its lock")
            kept = target / job.id
            shutil.copytree(job.path, kept, ignore=shutil.ignore_patterns("alive.lock", ".*"))
            for path in kept.rglob("*"):
                if path.is_file():
                    _clean(path, place)


def _clean(path: Path, place: Place) -> None:
    """Binary files hold values and calibrations, and nothing of this computer."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        return
    if path.name == "pylock.toml":
        text = _few_packages(text)
    if path.name == "runtime.json":
        text = json.dumps(_plain(json.loads(text)), separators=(",", ":"))
    for there, name in _names(place):
        text = text.replace(there, name)
    path.write_text(text, "utf-8")


def _names(place: Place) -> list[tuple[str, str]]:
    return [
        (str(place.settings.shelf), "/home/me/jobs"),
        (str(place.path), "/home/me/study"),
        (site.getsitepackages()[0], f"/home/me/venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"),
        (sys.prefix, "/home/me/venv"),
        (sys.base_prefix, "/opt/python"),
        (str(Path(qhub_ext.__file__).parents[1]), "/home/me/qhub_ext"),
        (platform.node(), "laptop"),
        (f'"owner":"{os.environ.get("USER") or "root"}"', '"owner":"me"'),
    ]  # fmt: skip


def _plain(runtime: dict[str, Any]) -> dict[str, Any]:
    machine = {"os": "Debian GNU/Linux 12 (bookworm)", "kernel": "6.1.0-amd64", "libc": "glibc 2.36", "cpu": "AMD EPYC", "cpus": 2, "gpus": []}  # fmt: skip
    if "environment" in runtime:
        runtime["environment"] = {"LANG": "C.UTF-8", "PATH": "/home/me/venv/bin:/usr/bin:/bin"}
    packages = {name: version for name, version in runtime["packages"].items() if name in KEPT}
    return {**runtime, "packages": packages, "machine": machine, "revision": None}


def _few_packages(lock: str) -> str:
    """A lock of two hundred packages says no more than one of seven."""
    head, *packages = lock.split("[[packages]]\n")
    last, ours = packages[-1].split("[tool.qhub]\n")
    kept = [one for one in [*packages[:-1], last] if one.split('"')[1] in KEPT]
    few = "".join(f"[[packages]]\n{one}" for one in kept)
    text = f"{head}{few}[tool.qhub]\n{ours}"
    read_lock_text(text.encode(), "it")
    return text


if __name__ == "__main__":
    main(Path(sys.argv[1]))
