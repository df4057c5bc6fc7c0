"""Two runs of one cell make the same values, also where `==` does not say so."""

from __future__ import annotations

from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector

from qhub_ext.diagnosis.results import compare_values
from qhub_ext.diagnosis.sameness import alike

CELL = """
import numpy as np, pandas as pd
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector

theta, angles = Parameter("θ"), ParameterVector("a", 2)
circuit = QuantumCircuit(1)
circuit.rx(theta + {turn}, 0)
circuit.ry(angles[1], 0)
circuit.rz(angles[0] * (3 - angles[1]), 0)
binding = {{theta: 0.5}}
twice = 2 * theta
whole = np.arange(6).reshape(2, 3) + {whole}
holes = np.array([1.0, np.nan])
table = pd.DataFrame({{"x": [1, {whole}], "y": [0.5, np.nan]}})
words = {{"list": [1, "a", float("nan")], "tuple": (whole, None)}}
def energy(x, more={whole}):
    return [x + y for y in range({whole})]
class Model:
    def __init__(self): self.size = {whole}
    def grow(self): return self.size + {whole}
model = Model()
"""
NAMES = [
    "theta",
    "angles",
    "circuit",
    "binding",
    "twice",
    "whole",
    "holes",
    "table",
    "words",
    "energy",
    "Model",
    "model",
]


def run(**parts: Any) -> dict[str, Any]:
    """As a job does, whose variables come back by pickle."""
    made: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(CELL.format(**{"turn": 0, "whole": 3} | parts), "cell", "exec"), made)
    return {name: cloudpickle.loads(cloudpickle.dumps(made[name])) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_what_one_cell_makes_twice_is_the_same(name: str) -> None:
    assert alike(run()[name], run()[name])


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("circuit", {"turn": 0.1}),
        *((name, {"whole": 4}) for name in ("whole", "table", "words", "energy", "Model", "model")),
    ],
)
def test_what_another_cell_makes_is_not(name: str, parts: dict[str, Any]) -> None:
    assert not alike(run()[name], run(**parts)[name])


def test_names_kinds_and_shapes_count() -> None:
    assert not alike(Parameter("a"), Parameter("b"))
    assert not alike(ParameterVector("a", 2), ParameterVector("a", 3))
    other = QuantumCircuit(1)
    other.rx(Parameter("φ"), 0)
    assert not alike(run()["circuit"], other)
    assert not alike(np.arange(3), np.arange(3.0))
    assert not alike(np.arange(4), np.arange(4).reshape(2, 2))
    assert not alike([1], (1,))
    assert not alike(pd.Series([1]), pd.DataFrame([1]))
    assert alike({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_a_tool_without_an_equality_says_nothing_for_either_side() -> None:
    class Tool:
        def __init__(self) -> None:
            self.own = object()

    found = compare_values("ready", Tool(), Tool(), ((), ()))
    assert (found.verdict, found.said) == ("unknown", "A Tool has no equality of its own.")


def test_a_value_that_holds_itself_or_raises_ends_the_question() -> None:
    endless: list[Any] = []
    endless.append(endless)
    again: list[Any] = []
    again.append(again)
    assert not alike(endless, again)

    class Sulky:
        def __eq__(self, other: object) -> bool:
            raise ValueError("no")

        __hash__ = None  # type: ignore[assignment]

    assert not alike(Sulky(), Sulky())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.frozensets(st.integers())
    ),
)


@given(VALUES)
def test_any_plain_value_is_the_same_as_its_copy(value: Any) -> None:
    assert alike(value, cloudpickle.loads(cloudpickle.dumps(value)))
