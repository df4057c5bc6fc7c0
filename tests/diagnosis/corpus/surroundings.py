"""Packages, Python, memory, disk, time, network: what meets a cell from around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qhub_ext.service.draft import Draft
from tests.diagnosis.corpus.case import Case

LIMIT = "import resource\nresource.setrlimit(resource.{what}, ({n}, {n}))\n"
GHZ = """
from qiskit import QuantumCircuit, transpile
from qhub_ext import Sampler, backend
circuit = QuantumCircuit(40)
for layer in range(12):
    for q in range(40):
        circuit.rx(0.3 + layer + q, q)
    for q in range(layer % 2, 39, 2):
        circuit.cx(q, q + 1)
circuit.measure_all()
Sampler().run([transpile(circuit, backend(), optimization_level=0)], shots=10).result()
"""


def short(draft: Draft) -> Draft:
    return replace(draft, spec=replace(draft.spec, time_s=2, grace_s=1))


def python_of(path: str) -> Any:
    def shape(draft: Draft) -> Draft:
        return replace(draft, spec=replace(draft.spec, python=path))

    return shape


def captured_with(**changed: Any) -> Any:
    """As a notebook in another environment would have recorded it."""

    def shape(draft: Draft) -> Draft:
        packages = {**draft.runtime.get("packages", {}), **changed.get("packages", {})}
        return replace(
            draft,
            runtime={**draft.runtime, **{k: v for k, v in changed.items() if k != "packages"}, "packages": packages},
        )

    return shape


CASES = (
    Case("a package that is nowhere", "environment", "import not_a_package_of_anybody"),
    Case("a package that only the notebook has", "environment", "import leftpad", shape=captured_with(packages={"leftpad": "1.0"}), held_out=True),
    Case("a package of another version", "environment", "y = x + 1", values={"x": np.arange(3)}, shape=captured_with(packages={"numpy": "1.0.0"})),
    Case("a Python of another version", "environment", "y = f(1)", values={"f": eval("lambda x: x + 1")}, shape=captured_with(python="3.9.1")),
    Case("a Python that is not there", "environment", shape=python_of("/no/such/python")),
    Case("a Python without qhub_ext", "environment", shape=python_of("/usr/bin/python3"), environment={"PYTHONPATH": ""}, held_out=True),
    Case("more memory than it was given", "resources", "hoard = []\nwhile True:\n    hoard.append(bytearray(10_000_000))", {"memory_mb": 400}),
    Case("an array without end", "resources", "import numpy as np\nnp.ones(10**13)"),
    Case("memory in its children", "resources", "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        hoard = os.urandom(1) * 300_000_000\n        time.sleep(60)\ntime.sleep(60)", {"memory_mb": 400}),
    Case("a simulation too large for its memory", "resources", GHZ, {"memory_mb": 1500}),
    Case("a memory error behind its own", "resources", "try:\n    bytearray(10**15)\nexcept MemoryError as error:\n    raise RuntimeError('the study failed') from error", held_out=True),
    Case("a device without room", "resources", "with open('/dev/full', 'w') as file:\n    file.write('x' * 100_000)"),
    Case("a file beyond its limit", "resources", LIMIT.format(what="RLIMIT_FSIZE", n=50_000) + "import pathlib\npathlib.Path('$ROOT/large').write_bytes(bytes(100_000))", held_out=True),
    Case("a full disk", "resources", "with open('$DISK/data', 'wb') as file:\n    file.write(bytes(10_000_000))", held_out=True),
    Case("too many open files", "resources", LIMIT.format(what="RLIMIT_NOFILE", n=40) + "kept = [open('/dev/null') for _ in range(100)]", held_out=True),
    Case("more output than is kept", "resources", "print('x' * 3_000_000)", config="[limits]\noutput_mb = 1"),
    Case("a wall time that runs out", "resources", "import time\ntime.sleep(60)", shape=short),
    Case("a wall time that is not heard", "resources", "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass", shape=short, held_out=True),
    Case("a host that nobody knows", "integration", "import socket\nsocket.create_connection(('no.such.host.invalid', 80), 5)"),
    Case("a door that is closed", "integration", "import socket\nsocket.create_connection(('127.0.0.1', 9), 5)", held_out=True),
    Case("a database on a file system without locks", "integration", "import sqlite3\na = sqlite3.connect('$ROOT/db', timeout=0)\na.execute('begin exclusive')\nsqlite3.connect('$ROOT/db', timeout=0).execute('begin exclusive')", held_out=True),
    Case("killed by nobody knows whom", "unknown", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),
    Case("a folder that the node does not have", "integration", "open('data.csv')", shape=lambda draft: replace(draft, spec=replace(draft.spec, directory="/not/mounted/here")), held_out=True),
)  # fmt: skip
