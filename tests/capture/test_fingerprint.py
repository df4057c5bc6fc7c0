"""Has a value changed since? Names that come back overwrite none that has."""

import json
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.transpiler import CouplingMap

from qhub_ext.capture.fingerprint import changed, fingerprint


def circuit() -> QuantumCircuit:
    made = QuantumCircuit(2, name="bell")  # one without a name is given the next number
    made.h(0)
    return made


SAME = [
    (lambda: 3, lambda: 4),
    (lambda: 10**300, lambda: 10**300 + 1),
    (lambda: -5, lambda: 5),
    (lambda: 1.5, lambda: 1.25),
    (lambda: True, lambda: 1),
    (lambda: None, lambda: 0),
    (lambda: "text", lambda: "texts"),
    (lambda: "x" * 20_000_000, lambda: "x" * 19_999_999 + "y"),
    (lambda: {"00": 512, "11": 512}, lambda: {"00": 512, "11": 511}),
    (lambda: [1, [2]], lambda: [1, [3]]),
    (lambda: np.arange(10.0), lambda: np.arange(10.0) + 1e-9),
    (lambda: np.arange(10.0), lambda: np.arange(10)),
    (lambda: np.arange(12).reshape(3, 4), lambda: np.arange(12).reshape(4, 3)),
    (lambda: np.arange(100).reshape(10, 10)[::2, ::3], lambda: np.arange(100).reshape(10, 10)[1::2, ::3]),
    (circuit, lambda: QuantumCircuit(2)),
    (lambda: json, lambda: np),
    (lambda: lambda x: x + 1, lambda: lambda x: x + 2),
]


@pytest.mark.parametrize(("make", "other"), SAME)
def test_an_equal_value_is_no_change_and_another_one_is(make: Any, other: Any) -> None:
    before = fingerprint(["v"], {"v": make()})
    assert changed(before, {"v": make()}) == set()
    assert changed(before, {"v": other()}) == {"v"}


def test_a_value_changed_in_place_has_changed() -> None:
    namespace: dict[str, Any] = {"d": {"a": 1}, "a": np.zeros(10), "q": circuit(), "l": [1]}
    before = fingerprint(namespace, namespace)
    assert changed(before, namespace) == set()
    namespace["d"]["b"] = 2
    namespace["a"][3] = 1
    namespace["q"].x(1)
    assert changed(before, namespace) == {"d", "a", "q"}


def test_a_name_that_appears_has_changed_and_one_that_goes_is_in_no_ones_way() -> None:
    before = fingerprint(["new", "gone"], {"gone": 1})
    assert changed(before, {}) == set()
    assert changed(before, {"new": 1}) == {"new"}


def test_what_cannot_be_written_down_is_known_by_identity() -> None:
    one, two = (i for i in []), (i for i in [])
    before = fingerprint(["g"], {"g": one})
    assert changed(before, {"g": one}) == set()
    assert changed(before, {"g": two}) == {"g"}


def test_a_large_array_is_sampled_and_its_ends_are_seen() -> None:
    array = np.zeros(4_000_000)
    before = fingerprint(["a"], {"a": array})
    assert changed(before, {"a": array.copy()}) == set()
    array[-1] = 1
    assert changed(before, {"a": array}) == {"a"}


def test_a_circuit_with_a_layout_has_one_mark_however_often_it_is_looked_at() -> None:
    isa = transpiled(seed=1)
    marks = [fingerprint(["isa", "both"], {"isa": isa, "both": [isa, isa]}) for _ in range(30)]
    assert all(mark == marks[0] for mark in marks)
    assert isa.layout is not None


def test_another_layout_of_the_same_instructions_is_a_change() -> None:
    one, two = transpiled(seed=1), transpiled(seed=1)
    before = fingerprint(["isa"], {"isa": one})
    assert changed(before, {"isa": two}) == set()
    two._layout = None
    assert changed(before, {"isa": two}) == {"isa"}
    two._layout = transpiled(seed=1, place=[0, 1, 3]).layout
    assert changed(before, {"isa": two}) == {"isa"}


def transpiled(seed: int, place: list[int] | None = None) -> QuantumCircuit:
    made = QuantumCircuit(3, name="chain")
    made.h(0)
    made.cx(0, 1)
    made.cx(1, 2)
    line = [(i, i + 1) for i in range(6)] + [(1, 3)]
    return transpile(
        made,
        coupling_map=CouplingMap(line),
        basis_gates=["rz", "sx", "cz"],
        initial_layout=place or [2, 1, 0],
        seed_transpiler=seed,
        optimization_level=1,
    )


def test_marks_survive_json_and_a_name_without_a_value_has_none() -> None:
    marks = fingerprint(["a", "b"], {"a": np.zeros(3)})
    assert json.loads(json.dumps(marks)) == marks
    assert marks["b"] is None


def _stack(body: str) -> type:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(f"class Stack(list):\n    def push(self, value): {body}", names)
    return names["Stack"]  # type: ignore[no-any-return]


def test_a_class_made_anew_changes_itself_and_not_what_was_made_of_it() -> None:
    first, second = _stack("self.append(value)"), _stack("self.insert(0, value)")
    before = fingerprint(["value", "kind"], {"value": first([1]), "kind": first})
    assert changed(before, {"value": second([1]), "kind": second}) == {"kind"}
    assert changed(before, {"value": first([2]), "kind": first}) == {"value"}
