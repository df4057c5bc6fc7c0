"""From a notebook into a fresh interpreter: what lives there must be what lived here."""

from pathlib import Path

from qhub_ext.capture.freeze import freeze, thaw_one
from qhub_ext.capture.names import analyse
from tests.capture.strangers import Notebook, run_after_thaw


def send(folder: Path, notebook: str, cell: str, *, cwd: Path | None = None) -> str:
    """What the cell prints in a fresh interpreter, after exactly what it is seen to need has travelled."""
    book = Notebook()
    book.run(notebook)
    names = analyse(cell, book.names)
    found = freeze(sorted(names.reads), book.names, limit_mb=32)
    found.require()
    found.write(folder)
    return run_after_thaw(folder, cell, cwd=cwd)


FUNCTIONS = """
import math, functools, os.path as osp
from collections import namedtuple
scale = 2
unused = (i for i in range(3))

def f(x): return x * scale + 1
def factorial(n): return 1 if n < 2 else n * factorial(n - 1)
def even(n): return n == 0 or odd(n - 1)
def odd(n): return n != 0 and even(n - 1)
def counter():
    count = 0
    def step():
        nonlocal count
        count += scale
        return count
    return step
step = counter()
step()
def twice(function):
    @functools.wraps(function)
    def inner(*args): return 2 * function(*args)
    return inner
@twice
def area(r, *, pi=math.pi): return pi * r ** 2
async def later(x): return x + scale
def numbers():
    yield from range(scale)
@functools.lru_cache
def cached(n): return n + scale
table = {"double": lambda v: v * scale}
partial = functools.partial(f, 10)
def annotated(x: "scale", y=scale) -> None:
    "documented"
    return (x, y)
annotated.tag = "mine"
def dotted(): return osp.join("a", "b")
@functools.singledispatch
def kind(x): return "anything"
@kind.register
def _(x: int): return scale
kind("now it remembers")
"""

FUNCTIONS_CELL = """
import asyncio
assert f(10) == 21
scale = 100
assert f(10) == 1001, "the function does not see what the cell assigns"
assert factorial(5) == 120
factorial_before, factorial = factorial, lambda n: 7
assert factorial_before(5) == 35, "recursion goes through the name, as in a notebook"
assert even(10) and odd(7)
assert step() == 102, "a closure keeps its count"
assert round(area(1), 3) == 6.283 and area.__name__ == "area"
assert asyncio.run(later(1)) == 101
assert len(list(numbers())) == 100
assert cached(1) == 101
assert table["double"](1) == 100
assert partial() == 1001
assert annotated(1) == (1, 2) and annotated.__doc__ == "documented" and annotated.tag == "mine"
assert dotted() == "a/b"
assert kind("text") == "anything" and kind(1) == 100
assert f.__globals__ is globals() and f.__module__ == "__main__"
import types
assert isinstance(__builtins__, types.ModuleType)
assert "unused" not in globals()
print("ok")
"""


def test_functions_of_the_notebook_live_in_the_namespace_of_the_job(tmp_path: Path) -> None:
    assert send(tmp_path, FUNCTIONS, FUNCTIONS_CELL) == "ok\n"


CLASSES = """
import abc, enum, dataclasses, functools, typing
factor = 3
class Base(abc.ABC):
    @abc.abstractmethod
    def value(self): ...
    def scaled(self): return self.value() * factor
class Leaf(Base):
    limit = 5
    def __init__(self, n): self.n = n
    def value(self): return min(self.n, self.limit)
    @property
    def double(self): return 2 * self.scaled()
    @classmethod
    def make(cls): return cls(1)
    @staticmethod
    def helper(): return factor
leaf = Leaf(4)
@dataclasses.dataclass(frozen=True, order=True)
class Point:
    x: int
    tags: list = dataclasses.field(default_factory=list)
points = [Point(1), Point(2)]
class Color(enum.Enum):
    RED = 1
    def next(self): return Color.RED
color = Color.RED
class Pair(typing.NamedTuple):
    a: int
pair = Pair(3)
class Slim:
    __slots__ = ("a",)
slim = Slim(); slim.a = factor
class Plugin:
    known = {}
    def __init_subclass__(cls): Plugin.known[cls.__name__] = cls
class First(Plugin): pass
class Node:
    def __init__(self): self.next = None
ring = Node(); ring.next = Node(); ring.next.next = ring
class Trouble(Exception):
    def __init__(self, code, text): super().__init__(code, text); self.code = code
trouble = Trouble(3, "x")
class Strict(Exception):
    def __init__(self, code, *, text):
        super().__init__(f"{code}: {text}")
        self.code, self.first = code, self
strict = Strict(3, text="x")
class Lazy:
    @functools.cached_property
    def costly(self): return [factor]
lazy = Lazy()
remembered = lazy.costly
"""

CLASSES_CELL = """
assert leaf.scaled() == 12
factor = 10
assert leaf.scaled() == 40 and leaf.double == 80 and Leaf.helper() == 10
assert type(leaf) is Leaf and isinstance(leaf, Base) and type(Leaf.make()) is Leaf
try:
    Base()
except TypeError:
    pass
else:
    raise AssertionError("abstract no more")
assert points[0] < points[1] and type(points[0]) is Point and points == [Point(1), Point(2)]
assert color is Color.RED and Color(1) is color and color.next() is color
assert pair.a == 3 and type(pair) is Pair
assert slim.a == 3
assert Plugin.known["First"] is First
assert ring.next.next is ring
assert trouble.code == 3
assert type(strict) is Strict and str(strict) == "3: x" and strict.code == 3 and strict.first is strict
assert lazy.costly is remembered and Lazy().costly == [10]
print("ok")
"""


def test_classes_of_the_notebook_and_their_instances_stay_together(tmp_path: Path) -> None:
    assert send(tmp_path, CLASSES, CLASSES_CELL) == "ok\n"


SCIENCE = """
import numpy as np, pandas as pd
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector, Parameter
from qiskit.quantum_info import SparsePauliOp
theta = ParameterVector("θ", 4)
circuit = QuantumCircuit(4)
for i in range(4):
    circuit.ry(theta[i], i)
hamiltonian = SparsePauliOp.from_list([("ZZII", 1.0), ("IXXI", 0.5)])
data = np.random.default_rng(1).random((200, 300))
view = {"same": data}
frame = pd.DataFrame({"a": [1, 2], "t": pd.to_datetime(["2026-01-01", "2026-01-02"])})
rng = np.random.default_rng(7)
expected = rng.bit_generator.state
def energy(x): return float(np.sum(hamiltonian.coeffs.real)) + circuit.num_parameters * x
history = []
def callback(x): history.append(energy(x))
"""

SCIENCE_CELL = """
bound = circuit.assign_parameters({theta: [0.1] * 4})
assert not bound.parameters
assert set(circuit.parameters) == set(theta)
assert hamiltonian.num_qubits == 4 and hamiltonian.coeffs[1] == 0.5
assert view["same"] is data and data.shape == (200, 300) and data.flags.writeable
assert frame.t.dtype.kind == "M" and frame.a.sum() == 3
assert rng.bit_generator.state == expected
assert energy(1) == 5.5
callback(2)
assert history == [9.5], "the function appends to the list of the job"
assert np.pi > 3 and pd.__version__
print("ok")
"""


SLOTS = """
import dataclasses
class Slotted:
    "has no dict"
    __slots__ = ("a", "__hidden")
    def __init__(self, a): self.a, self.__hidden = a, -a
    def get(self): return self.__hidden
class More(Slotted):
    __slots__ = "b"
class Open(Slotted): pass
@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: int = 1
slotted, more, free, frozen = Slotted(3), More(4), Open(5), Frozen(6)
more.b = 7
free.c = 8
"""
SLOTS_TELL = """
print([hasattr(one, "__dict__") for one in (slotted, more, free, frozen)], slotted.a, slotted.get(), more.b, free.c, frozen.x)
print(Slotted.__slots__, Slotted.__doc__, type(more).__mro__[1] is Slotted, type(frozen) is Frozen)
"""


def test_a_class_with_slots_has_them_in_the_job_and_its_instances_come_home(tmp_path: Path) -> None:
    printed = send(tmp_path, SLOTS, SLOTS_TELL)
    assert printed.splitlines() == [
        "[False, False, True, False] 3 -3 7 8 6",
        "('a', '__hidden') has no dict True True",
    ]
    book = Notebook()
    book.run(SLOTS)
    found = freeze(["frozen", "Frozen", "slotted"], book.names, limit_mb=32)
    assert found.manifest.notes == ()
    home = tmp_path / "home"
    found.write(home)
    assert thaw_one(home, "slotted").a == 3


def test_circuits_parameters_operators_arrays_and_tables_keep_what_they_share(tmp_path: Path) -> None:
    assert send(tmp_path, SCIENCE, SCIENCE_CELL) == "ok\n"


def test_a_module_beside_the_notebook_is_imported_there(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    work = tmp_path / "work"
    work.mkdir()
    (work / "besides_the_notebook.py").write_text("LIMIT = 4\ndef helper(x): return min(x, LIMIT)\n")
    monkeypatch.syspath_prepend(str(work))
    notebook = "import besides_the_notebook as b\nfrom besides_the_notebook import helper"
    assert send(tmp_path / "in", notebook, "print(b.LIMIT, helper(9), helper is b.helper)", cwd=work) == "4 4 True\n"


def test_a_missing_package_is_a_sentence_with_the_command_to_mend_it(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "only_here.py").write_text("class Thing: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    book = Notebook()
    book.run("import only_here\nthing = only_here.Thing()")
    freeze(["thing", "only_here"], book.names, limit_mb=1).write(tmp_path / "in")
    code = f"""
from qhub_ext.errors import EnvironmentMismatchError
from qhub_ext.capture.freeze import thaw_one
for name in ("thing", "only_here"):
    try:
        thaw_one(Path({str(tmp_path / "in")!r}), name)
    except EnvironmentMismatchError as error:
        print(error)
"""
    empty = tmp_path / "none"
    freeze([], {}, limit_mb=1).write(empty)
    mend = (
        "If it is a package: pip install only_here. If it is a file of yours: keep it beside the notebook, or in a folder of "
        "`sys.path` that the job can read."
    )
    assert run_after_thaw(empty, code).splitlines() == [
        f"`{name}` needs 'only_here', which cannot be imported here. {mend}" for name in ("thing", "only_here")
    ]
