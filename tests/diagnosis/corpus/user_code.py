"""Errors of the cell's own."""

from tests.diagnosis.corpus.case import NOTHING, Case

CIRCUIT = """
from qiskit import QuantumCircuit
from qhub_ext import Sampler
circuit = QuantumCircuit(3)
"""

CASES = (
    Case("an error", "code", "x = 1\ny = x / 0"),
    Case("a syntax error at run", "code", "exec('if x\\n  pass')"),
    Case("an assertion", "code", "counts = {}\nassert counts, 'no counts'"),
    Case("an exit", "code", "import sys\nsys.exit(3)"),
    Case("a name that is not there", "code", "value = eval('not_there')"),
    Case("a recursion without end", "code", "def down(n):\n    return down(n + 1)\ndown(0)"),
    Case("an OSError of its own", "code", "raise OSError(28, 'No space left on device')"),
    Case("a module error of its own", "code", "raise ModuleNotFoundError(\"No module named 'mine'\")", held_out=True),
    Case("a memory error of its own", "code", "if True:\n    raise MemoryError('my list is too long')", held_out=True),
    Case("a file that is not there", "code", "open('/no/such/file')"),
    Case("a folder opened as a file", "code", "open('/tmp')", held_out=True),
    Case("bytes that are no JSON", "code", "import json\njson.loads('{')"),
    Case("a wrong key", "code", "{'a': 1}['b']", held_out=True),
    Case("a crash in C", "code", "import ctypes\nctypes.string_at(0)"),
    Case("an abort", "code", "import os\nos.abort()", held_out=True),
    Case("an exit without goodbye", "code", "import os\nos._exit(3)"),
    Case("a question to nobody", "code", "input('who? ')"),
    Case("a name that a package never had", "code", "from json import nothing_like_it", held_out=True),
    Case("a circuit that is not made for the device", "code", CIRCUIT + "circuit.h(0)\ncircuit.measure_all()\nSampler().run([circuit]).result()"),
    Case("a circuit that measures nothing", "code", CIRCUIT + "circuit.x(0)\nSampler().run([circuit]).result()", held_out=True),
    Case("a package asked with a wrong value", "code", "from qiskit import QuantumCircuit\nQuantumCircuit(2).cx(0, 5)", held_out=True),
    Case("nothing", NOTHING, "x = 1"),
    Case("an exit with nothing wrong", NOTHING, "import sys\nsys.exit(0)", held_out=True),
)  # fmt: skip
