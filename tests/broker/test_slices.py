"""What was cut comes back as if it had never been: with the noise of a device, against the same task in one piece."""

from __future__ import annotations

import base64
import json
import math
import re
import tracemalloc
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3, transpile
from qiskit.circuit import Parameter
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult, SamplerPubResult
from qiskit_ibm_runtime import RuntimeDecoder

from qhub_ext.broker.device_link import most_shots_of
from qhub_ext.broker.slices import (
    GUESS_S,
    MOST_SETTINGS,
    check_precisions,
    check_result,
    cut,
    merge,
    read_work,
    seconds_told,
    shots_of,
    told_of,
)
from qhub_ext.broker.work import Piece, take_slice, without
from qhub_ext.diagnosis import estimates
from qhub_ext.diagnosis.counts import compare
from qhub_ext.diagnosis.estimates import Estimate
from qhub_ext.errors import DeviceError, InvalidOptionError
from qhub_ext.tiers.qpu.wire import tagged, untagged
from qhub_ext.virtualqpu.machine import Machine


def ghz(qubits: int) -> str:
    circuit = QuantumCircuit(qubits, qubits)
    circuit.h(0)
    for k in range(qubits - 1):
        circuit.cx(k, k + 1)
    circuit.measure(range(qubits), range(qubits))
    from tests.qpu.conftest import isa

    return str(qasm3.dumps(isa(circuit)))


def execute(machine: Machine, program: str, params: dict) -> str:
    return machine.execute(machine.read(program, params), lambda: 1.79e9)[0]


def in_slices(machine: Machine, program: str, params: dict, budget_s: float, most: float = math.inf) -> tuple[str, int]:
    rest, done = read_work(program, params), []
    while rest:
        taken = take_slice(rest, budget_s, most=most) or (rest[0],)
        done.append((taken, execute(machine, program, cut(program, params, taken))))
        rest = without(rest, taken)
    return merge(program, done), len(done)


def test_a_pub_of_more_shots_than_the_device_takes_comes_back_whole_from_slices_that_it_takes() -> None:
    machine = Machine("kingston")
    params = {"pubs": [[ghz(1), None, 250_000], [ghz(1), None, 5]], "version": 2, "support_qiskit": True, "options": {}}
    with pytest.raises(InvalidOptionError):
        machine.read("sampler", params)
    text, slices = in_slices(machine, "sampler", params, 60.0, machine.device.max_shots)
    assert slices == 3
    assert [part.data.c.num_shots for part in untagged(json.loads(text))] == [250_000, 5]


@pytest.mark.parametrize(
    ("most", "finest"), [(100_000, "0.0032"), (10_000, "0.01"), (8192, "0.012"), (1, "1"), (10**7, "0.00032")]
)
def test_a_precision_that_needs_more_shots_than_the_device_takes_names_the_finest_that_does_not(most: int, finest: str) -> None:  # fmt: skip
    def pubs(precision: float | None) -> dict:
        return {"pubs": [["x", "Z", None, 1], ["x", "Z", None, precision]]}

    if most < 10**7:
        with pytest.raises(InvalidOptionError) as refused:
            check_precisions("estimator", pubs(most**-0.5 * 0.9), "kingston", most)
        assert f"kingston takes at most {most:,}. Give a precision of {finest} or more." in str(refused.value)
        assert str(refused.value).startswith("PUB 1: a precision of ")
    for fits in (most**-0.5, float(finest), None if most > 4096 else 1):
        check_precisions("estimator", pubs(fits), "kingston", most)
    check_precisions("estimator", pubs(1e-3), "kingston", math.inf)
    check_precisions("sampler", {"pubs": [["x", None, 10**7]]}, "kingston", 10)


def of_atoms(specs: str) -> list:
    return [{"device_type": "FRESNEL", "specs": specs}]


@pytest.mark.parametrize(
    ("target", "most"),
    [
        ({"configuration": {"max_shots": 8192}}, 8192), ({"configuration": {}}, None), (of_atoms('{"max_runs": 500}'), 500), (of_atoms("{"), None), (of_atoms("[]"), None), (of_atoms(""), None), ({}, None), ([], None), (None, None),
        ({"configuration": {"max_shots": True}}, None), ({"configuration": {"max_shots": -1}}, None), ({"configuration": {"max_shots": "many"}}, None),
        ({"configuration": {"max_shots": math.nan}}, None), ({"configuration": [1]}, None),
    ],
)  # fmt: skip
def test_what_a_device_says_of_its_shots_bounds_slices_where_it_is_a_number(target: object, most: int | None) -> None:
    assert most_shots_of(target, "FRESNEL") == most


def test_a_sampler_in_slices_is_the_same_in_distribution_and_its_shots_add_up_exactly() -> None:
    machine = Machine("kingston")
    params = {"pubs": [[ghz(3), None, 5000], [ghz(2), None, 777]], "version": 2, "support_qiskit": True, "options": {}}
    text, slices = in_slices(machine, "sampler", params, 0.3)
    assert slices > 5
    merged = untagged(json.loads(text))
    whole = untagged(json.loads(execute(machine, "sampler", params)))
    assert [part.data.c.num_shots for part in merged] == [5000, 777]
    assert [part.metadata["shots"] for part in merged] == [5000, 777]
    for one, other in zip(merged, whole, strict=True):
        found = compare(one.data.c.get_counts(), other.data.c.get_counts())
        assert found.total_variation <= 2 * found.noise
    assert json.loads(text, cls=RuntimeDecoder)[0].data.c.num_shots == 5000, "the vendor's own decoder reads it too"


def test_an_estimator_in_slices_gives_each_pub_its_own_value() -> None:
    machine = Machine("kingston")
    circuit = QuantumCircuit(1)
    flipped = QuantumCircuit(1)
    flipped.x(0)
    pubs = [[str(qasm3.dumps(c)), {"Z": 1.0}, None, 0.05] for c in (circuit, flipped, circuit)]
    params = {"pubs": pubs, "version": 2, "support_qiskit": True, "options": {}}
    text, slices = in_slices(machine, "estimator", params, 0.15)
    assert slices == 3
    values = [float(part.data.evs) for part in untagged(json.loads(text))]
    assert values[0] > 0.8 > -0.8 > values[1]
    assert values[2] > 0.8


def test_an_estimator_in_slices_has_the_values_of_one_in_one_piece_within_their_errors() -> None:
    machine = Machine("kingston")
    turned = QuantumCircuit(2)
    angle = Parameter("angle")
    turned.ry(angle, 0)
    turned.cx(0, 1)
    text = str(qasm3.dumps(transpile(turned, basis_gates=["rz", "sx", "cz"])))
    angles = np.linspace(0.3, 2.8, 7)
    observables = [{"ZZ": 1.0}, {"XX": 0.5, "IZ": -1.0}, {"ZI": 1.0, "YY": 0.25}]
    pubs = [[text, one, tagged(angles.reshape(-1, 1)), 0.02] for one in observables]
    params = {"pubs": pubs, "version": 2, "support_qiskit": True, "options": {}}
    merged, slices = in_slices(machine, "estimator", params, 0.5)
    assert slices == 3
    parts = untagged(json.loads(merged))
    whole = untagged(json.loads(execute(machine, "estimator", params)))
    means = [float(np.mean(part.data.evs)) for part in parts]
    assert np.ptp(means) > 0.3, "values that tell the PUBs apart"
    for one, other in zip(parts, whole, strict=True):
        rows = [[Estimate(v, e) for v, e in zip(part.data.evs, part.data.stds, strict=True)] for part in (one, other)]
        found = estimates.compare(*rows)
        assert found.z < 5, f"by {found.by} +- {found.error}"
        assert all(0 < estimate.error < 0.1 for row in rows for estimate in row)


def result_of(*shots: int) -> str:
    bits = [BitArray(np.full((n, 1), k, dtype=np.uint8), 1) for k, n in enumerate(shots)]
    pubs = [SamplerPubResult(DataBin(c=b, shape=()), metadata={"shots": b.num_shots}) for b in bits]
    return json.dumps(tagged(PrimitiveResult(pubs, metadata={"version": 2})))


def test_slices_that_came_back_in_another_order_are_put_in_their_own() -> None:
    zeros, ones = (
        result_of(3),
        json.dumps(
            tagged(
                PrimitiveResult(
                    [SamplerPubResult(DataBin(c=BitArray(np.ones((2, 1), np.uint8), 1), shape=()), metadata={})]
                )
            )
        ),
    )
    merged = untagged(json.loads(merge("sampler", [((Piece(0, 2, 1.0, 3),), ones), ((Piece(0, 3, 1.0),), zeros)])))
    assert merged[0].data.c.array.ravel().tolist() == [0, 0, 0, 1, 1]


@pytest.mark.parametrize(
    ("pieces", "text", "said"),
    [
        ((Piece(0, 5, 1.0),), result_of(4), "5 shots came back with 4"),
        ((Piece(0, 4, 1.0), Piece(1, 4, 1.0)), result_of(4), "not one of 2 parts"),
        ((Piece(0, 4, 1.0),), "{", "no JSON"),
        ((Piece(0, 4, 1.0),), json.dumps(tagged([PubResult(DataBin(shape=()))])), "not one of 1 parts"),
    ],
    ids=["too few shots", "too few parts", "torn", "something else"],
)
def test_a_result_that_is_not_what_the_slice_asked_for_is_never_taken(pieces, text: str, said: str) -> None:
    with pytest.raises(DeviceError, match=said):
        merge("sampler", [(pieces, text), (pieces, text)])


@pytest.mark.parametrize(
    ("program", "params", "said"),
    [
        ("executor", {"pubs": [["x"]]}, "no program 'executor'.*sampler, estimator"),
        ("sampler", {"pubs": []}, "list of PUBs"),
        ("sampler", {"pubs": ["x"]}, "list of PUBs"),
        ("sampler", {"pubs": [["x", None, -1]]}, "-1 shots"),
        ("sampler", {"pubs": [["x", None, True]]}, "True shots"),
        ("estimator", {"pubs": [["x", "Z", None, 0]]}, "precision of 0"),
        ("sampler", {"pubs": [["x", None, 10**400]]}, "PUB 0: 1000.*… shots.*from 1 to 10,000,000"),
        ("sampler", {"pubs": [["x"]], "shots": 10**7 + 1}, "10000001 shots"),
        ("estimator", {"pubs": [["x", "Z", None, 1e-200]]}, "precision of 1e-200.*from 0.00032"),
        ("estimator", {"pubs": [["x", "Z"]], "precision": 1e-5}, "precision of 1e-05"),
        ("estimator", {"pubs": [["x", "Z"], ["x", "Z", [[1, 2], [1]]]]}, "PUB 1: its values are no array"),
        ("sampler", {"pubs": [["x", [[[1], 2]]]]}, "PUB 0: its values are no array"),
        ("sampler", {"pubs": [["x", {"__type__": "ndarray", "__value__": "☃"}]]}, "PUB 0: its values are no array"),
        ("sampler", {"pubs": [["x"]] * 20_001}, "20,001 PUBs.*20,000"),
        ("iqm", {"circuits": ["x"], "shots": 10**400}, "`shots` of 1000"),
    ],
)
def test_what_is_no_payload_is_refused_in_a_sentence(program: str, params: dict, said: str) -> None:
    with pytest.raises(InvalidOptionError) as refused:
        read_work(program, params)
    assert re.search(said, str(refused.value))
    assert len(str(refused.value)) < 250


def claimed(shape: str) -> dict:
    """An array that says of itself what is not so: after its head there is nothing but a gibibyte of zeros."""
    head = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    file = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head
    packer = zlib.compressobj()
    packed = packer.compress(file) + b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    return {"__type__": "ndarray", "__value__": base64.b64encode(packed).decode()}


@pytest.mark.parametrize(("shape", "sets"), [("(5, 2)", 5), ("(0, 3)", 1), (f"({10**30}, {10**30}, 1)", MOST_SETTINGS), (f"({10**400}, 1)", MOST_SETTINGS)])  # fmt: skip
def test_values_are_counted_by_what_their_array_says_and_never_unpacked(shape: str, sets: int) -> None:
    tracemalloc.start()
    try:
        (piece,) = read_work("sampler", {"pubs": [["x", claimed(shape), 10]]})
        read = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert piece.unit_s == pytest.approx(sets * GUESS_S)
    assert read < 40 * 2**20


ODD_VALUES = (None, 5, -1, "x", [], {}, [5], {"a": 1}, True, [[[[]]]], {"spans": [{}]}, {"spans": 5}, {"execution_spans": 5}, {"__type__": "DataBin", "__value__": 5}, {"__type__": "datetime", "__value__": "x"})  # fmt: skip


def places(value: object, at: tuple = ()) -> Iterator[tuple]:
    yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*at, key))


def test_whatever_a_device_answers_is_a_result_or_a_fault_of_the_device_and_ends_no_thread() -> None:
    spans = {"execution": {"execution_spans": {"spans": [{"start": "x", "stop": "y", "data_slices": {"0": [[], 0, 1, 0, 5]}}]}}}  # fmt: skip
    part = SamplerPubResult(DataBin(c=BitArray(np.zeros((5, 1), np.uint8), 2), shape=()), metadata={"shots": 5})
    good = json.loads(json.dumps(tagged(PrimitiveResult([part], metadata=spans | {"snapshot": "c1"}))))
    pieces, kinds = (Piece(0, 5, 1.0),), set()
    answers = ["[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900, "NaN", "1e400", "\u0000", ""]
    for at in places(good):
        for odd in ODD_VALUES:
            answer = json.loads(json.dumps(good))
            inner = answer
            for key in at[:-1]:
                inner = inner[key]
            if at:
                inner[at[-1]] = odd
            answers.append(json.dumps(answer if at else odd))
    for answer in answers:
        try:
            seconds, _ = told_of(check_result(pieces, answer))
            assert seconds is None or seconds >= 0
            merge("sampler", [(pieces, answer), ((Piece(0, 5, 1.0, 5),), json.dumps(good))])
            kinds.add("result")
        except DeviceError:
            kinds.add("fault")
    assert kinds == {"result", "fault"}


def test_a_time_that_can_be_none_is_not_told() -> None:
    assert [seconds_told(lambda told=told: told) for told in (None, -1.0, math.nan, math.inf, 1e9, 0.0, 2.5)] == [
        *[None] * 5,
        0.0,
        2.5,
    ]
    assert seconds_told(lambda: {}["stop"]) is None


def test_values_for_no_parameters_and_for_no_sets_of_them_are_one_setting() -> None:
    params = {"pubs": [["x", values, 10] for values in (None, [], [[]], tagged(np.zeros((0,))), tagged(np.zeros((0, 3))))]}  # fmt: skip
    assert len({(piece.units, piece.unit_s) for piece in read_work("sampler", params)}) == 1


@pytest.mark.parametrize("others", [{"meas": BitArray(np.zeros((5, 1), np.uint8), 2)}, {"c": BitArray(np.zeros((5, 1), np.uint8), 1)}, {"c": BitArray(np.zeros((2, 5, 1), np.uint8), 2)}])  # fmt: skip
def test_slices_that_do_not_fit_together_are_the_device_s_fault_and_said(others: dict) -> None:
    first, second = (json.dumps(tagged(PrimitiveResult([PubResult(DataBin(**data, shape=()))]))) for data in ({"c": BitArray(np.zeros((5, 1), np.uint8), 2)}, others))  # fmt: skip
    with pytest.raises(DeviceError, match="do not fit together"):
        merge("sampler", [((Piece(0, 5, 1.0),), first), ((Piece(0, 5, 1.0, 5),), second)])


def test_parameter_sets_count_in_the_time_and_shots_stay_those_of_one() -> None:
    params = {"pubs": [["x", [[0.1], [0.2], [0.3]], 100], ["x", tagged(np.zeros((2, 5, 1))), 50]]}
    few, many = read_work("sampler", params)
    assert few.units == 100
    assert many.unit_s == pytest.approx(few.unit_s / 3 * 10)
    assert shots_of("sampler", params) == 100
