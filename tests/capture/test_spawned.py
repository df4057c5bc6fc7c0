import multiprocessing
from types import FunctionType

import pytest

from qhub_ext.capture.spawned import not_found

MINE = FunctionType((lambda x: x).__code__, {"__name__": "__main__"}, "mine")


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("pool = mp.get_context('spawn').Pool(2)\npool.map(mine, range(3))", ["mine"]),
        ("def f(x): return x\nwith mp.get_context('forkserver').Pool(2) as p:\n    out = p.starmap(f, [(1,)])", ["f"]),
        ('mp.set_start_method("spawn")\nmp.Process(target=mine).start()', ["mine"]),
        ("%time pool = mp.get_context('spawn').Pool(2)\npool.submit(mine, 1)", ["mine"]),
        ("pool = mp.get_context('fork').Pool(2)\npool.map(mine, range(3))", []),
        ("pool = mp.get_context('spawn').Pool(2)\npool.map(cpu_count, range(3))", []),
        ("kind = 'spawn'\nmine(3)", []),
    ],
)
def test_a_function_of_the_notebook_that_spawned_processes_would_not_find_is_named(cell: str, names: list[str]) -> None:
    namespace = {"mine": MINE, "cpu_count": multiprocessing.cpu_count, "mp": multiprocessing}
    said = not_found(cell, namespace, namespace)
    assert [sentence.split("`")[1] for sentence in said] == names
