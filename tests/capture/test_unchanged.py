"""What is still as it was thawed need not travel back; what may have changed must."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.transpiler import CouplingMap

from qhub_ext.capture.freeze import freeze, thaw
from qhub_ext.capture.unchanged import unchanged


def thawed(directory: Path, values: dict[str, Any]) -> dict[str, Any]:
    """As the job finds them."""
    freeze(sorted(values), values, limit_mb=64, main=values).write(directory)
    namespace: dict[str, Any] = {}
    thaw(directory, namespace)
    return namespace


def isa() -> QuantumCircuit:
    made = QuantumCircuit(3, name="chain")
    made.h(0)
    made.cx(0, 2)
    line = CouplingMap([(i, i + 1) for i in range(6)])
    return transpile(made, coupling_map=line, basis_gates=["rz", "sx", "cz"], seed_transpiler=1)


VALUES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "array": (lambda: np.zeros(1_500_000), lambda v: v.__setitem__(777_777, 1)),
    "list": (lambda: [1, "two", [3]], lambda v: v[2].append(4)),
    "dict": (lambda: {"a": "a", "b": ["a"]}, lambda v: v.update(c=1)),
    "set": (lambda: {1, 2}, lambda v: v.add(3)),
    "circuit": (isa, lambda v: v.x(0)),
    "circuits": (lambda: [isa(), isa()], lambda v: v.pop()),
    "generator": (lambda: np.random.default_rng(1), lambda v: v.random()),
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_that_was_only_looked_at_is_unchanged_and_one_changed_in_place_is_not(
    tmp_path: Path, kind: str
) -> None:
    make, change = VALUES[kind]
    namespace = thawed(tmp_path, {"v": make()})
    for _ in range(10):
        assert unchanged(["v"], tmp_path, namespace) == {"v"}
    change(namespace["v"])
    assert unchanged(["v"], tmp_path, namespace) == set()


def test_a_value_that_holds_a_changed_one_has_changed(tmp_path: Path) -> None:
    inner = [1]
    namespace = thawed(tmp_path, {"inner": inner, "outer": {"x": inner}, "other": [inner[0]]})
    assert unchanged(["outer", "other"], tmp_path, namespace) == {"outer", "other"}
    namespace["inner"].append(2)
    assert unchanged(["inner", "outer", "other"], tmp_path, namespace) == {"other"}


def test_values_that_hold_each_other_are_judged_together(tmp_path: Path) -> None:
    one: list[Any] = [1]
    two: list[Any] = [one]
    one.append(two)
    namespace = thawed(tmp_path, {"one": one, "two": two})
    assert unchanged(["one"], tmp_path, namespace) == {"one"}
    namespace["two"].append(3)
    assert unchanged(["one", "two"], tmp_path, namespace) == set()


def test_a_name_that_did_not_come_along_or_has_grown_beyond_measure_is_not_unchanged(tmp_path: Path) -> None:
    namespace = thawed(tmp_path, {"v": [1]})
    namespace["new"] = 1
    namespace["v"].append(bytes(3_000_000))
    assert unchanged(["new", "v", "absent"], tmp_path, namespace) == set()
