"""Circuits travel as QPY where nothing is lost by it."""

from pathlib import Path

import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter, ParameterVector

from qhub_ext.capture.freeze import freeze, preview, thaw


class Odd(Gate):
    def __init__(self) -> None:
        super().__init__("odd", 1, [])

    def _define(self) -> None:
        inner = QuantumCircuit(1)
        inner.x(0)
        self.definition = inner


def journey(folder: Path, **values: object) -> tuple[dict[str, str], dict[str, object]]:
    found = freeze(list(values), values, limit_mb=8)
    assert not found.failed
    found.write(folder)
    namespace: dict[str, object] = {}
    thaw(folder, namespace)
    return {name: entry.form for name, entry in found.manifest.names.items()}, namespace


def ghz(width: int = 3) -> QuantumCircuit:
    circuit = QuantumCircuit(width, name="ghz", metadata={"purpose": "test"})
    circuit.h(0)
    for i in range(width - 1):
        circuit.cx(i, i + 1)
    circuit.measure_all()
    return circuit


def test_a_circuit_comes_back_equal_with_its_name_and_metadata(tmp_path: Path) -> None:
    forms, got = journey(tmp_path, circuit=ghz())
    assert forms == {"circuit": "qpy"}
    assert got["circuit"] == ghz()
    assert (got["circuit"].name, got["circuit"].metadata) == ("ghz", {"purpose": "test"})


def test_parameters_are_those_of_the_parameter_vector_beside_it(tmp_path: Path) -> None:
    angles, phase = ParameterVector("θ", 3), Parameter("φ")
    circuit = QuantumCircuit(3)
    for i in range(3):
        circuit.ry(2 * angles[i] + phase, i)
    forms, got = journey(tmp_path, circuit=circuit, angles=angles, phase=phase)
    assert forms["circuit"] == "qpy"
    assert set(got["circuit"].parameters) == {*got["angles"], got["phase"]}
    got["circuit"].assign_parameters({got["angles"]: [1, 2, 3], got["phase"]: 0}, inplace=True)
    assert not got["circuit"].parameters


def test_one_circuit_a_hundred_times_is_stored_once(tmp_path: Path) -> None:
    circuit = ghz(8)
    alone = freeze(["c"], {"c": circuit}, limit_mb=8).bytes
    found = freeze(["c"], {"c": [circuit] * 100}, limit_mb=8)
    assert found.bytes < 1.1 * alone
    _, got = journey(tmp_path, many=(circuit, ghz(), circuit))
    assert isinstance(got["many"], tuple)
    assert got["many"][0] is got["many"][2]


def test_a_list_of_circuits_that_have_names_is_a_list_of_these(tmp_path: Path) -> None:
    one, two = ghz(2), ghz(3)
    _, got = journey(tmp_path, both=[one, two], one=one, two=two)
    assert got["both"][0] is got["one"]
    assert got["both"][1] is got["two"]


def test_a_gate_of_the_notebook_keeps_its_class(tmp_path: Path) -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Odd(), [0])
    forms, got = journey(tmp_path, circuit=circuit)
    assert forms == {"circuit": "pickle"}
    assert type(got["circuit"].data[0].operation) is Odd


def test_an_instruction_of_the_simulator_keeps_its_class(tmp_path: Path) -> None:
    pytest.importorskip("qiskit_aer")
    circuit = QuantumCircuit(1)
    circuit.h(0)
    circuit.save_statevector()
    _, got = journey(tmp_path, circuit=circuit)
    assert type(got["circuit"].data[1].operation).__name__ == "SaveStatevector"


def test_control_flow_comes_back_equal(tmp_path: Path) -> None:
    circuit = QuantumCircuit(1, 1)
    circuit.measure(0, 0)
    with circuit.if_test((0, 1)):
        circuit.x(0)
    _, got = journey(tmp_path, circuit=circuit)
    assert got["circuit"] == circuit


@pytest.mark.parametrize("metadata", [{"pair": (1, 2)}, {1: "a"}, {"object": {1, 2}}, {"z": 1j}])
def test_metadata_that_json_would_change_is_kept(metadata: dict[object, object], tmp_path: Path) -> None:
    circuit = ghz()
    circuit.metadata = metadata
    _, got = journey(tmp_path, circuit=circuit)
    assert got["circuit"].metadata == metadata


def test_attributes_that_a_user_put_on_a_circuit_are_kept(tmp_path: Path) -> None:
    circuit = ghz()
    circuit.expected = "000"
    _, got = journey(tmp_path, circuit=circuit)
    assert got["circuit"].expected == "000"


def test_the_layout_of_a_transpiled_circuit_is_kept(tmp_path: Path) -> None:
    from qiskit.transpiler import CouplingMap, generate_preset_pass_manager

    manager = generate_preset_pass_manager(
        1,
        coupling_map=CouplingMap.from_line(5),
        basis_gates=["sx", "rz", "cx"],
        initial_layout=[4, 2, 0],
        seed_transpiler=1,
    )
    circuit = manager.run(ghz())
    forms, got = journey(tmp_path, isa=circuit)
    assert forms == {"isa": "qpy"}
    assert got["isa"].layout.final_index_layout() == circuit.layout.final_index_layout()
    assert got["isa"] == circuit


def test_the_preview_of_a_circuit_counts_its_operations() -> None:
    assert preview(freeze(["c"], {"c": ghz(20)}, limit_mb=1))[0].summary == "QuantumCircuit 20 qubits, 41 operations"
