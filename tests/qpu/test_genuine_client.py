"""The genuine client, unpatched and used by hand, against our virtual QPU; and our decoder against the vendor's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit, qasm3
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit_ibm_runtime import RuntimeDecoder, RuntimeEncoder

from qhub_ext.errors import DeviceError
from qhub_ext.tiers.qpu.wire import quantum_seconds, tagged, untagged
from tests.qpu.by_hand import by_hand, task_runner
from tests.qpu.conftest import VirtualQpu

BY_HAND = """
import json, sys, warnings
import qrmi
from qiskit import QuantumCircuit
from qiskit.quantum_info import SparsePauliOp
from qiskit.transpiler import generate_preset_pass_manager
from qrmi.primitives.ibm import EstimatorV2, SamplerV2, get_backend

resource = qrmi.QuantumResource.from_config("kingston", qrmi.ResourceType.IBMQuantumComputeService, json.loads(sys.stdin.read()))
assert resource.status().to_dict()["status"] == "online", resource.status().to_dict()
token = resource.acquire()
backend = get_backend(resource)
circuit = QuantumCircuit(2)
circuit.h(0)
circuit.cx(0, 1)
measured = circuit.copy()
measured.measure_all()
manager = generate_preset_pass_manager(1, backend=backend, seed_transpiler=1)
sampled = SamplerV2(resource).run([(manager.run(measured),)], shots=1000).result()
isa = manager.run(circuit)
estimated = EstimatorV2(resource).run([(isa, SparsePauliOp(["ZZ", "XX"]).apply_layout(isa.layout))]).result()
resource.release(token)
print(json.dumps({"counts": sampled[0].data.meas.get_counts(), "value": float(estimated[0].data.evs), "simulated": sampled.metadata["simulated"]}))
"""


def test_sampler_estimator_session_and_target_of_the_genuine_wheel_work_unpatched(server: VirtualQpu) -> None:
    found = by_hand(BY_HAND, server.config)
    assert sum(found["counts"].values()) == 1000
    assert found["counts"]["00"] + found["counts"]["11"] > 700
    assert found["value"] > 1.2
    assert found["simulated"] is True


def test_the_command_task_runner_of_the_wheel_runs_a_payload(
    server: VirtualQpu, bell: QuantumCircuit, tmp_path: Path
) -> None:
    result = task_runner(server.config, qasm3.dumps(bell), 100, tmp_path)
    assert sum(result[0].data.meas.get_counts().values()) == 100


def test_what_we_encode_the_vendor_decodes_and_the_other_way_round() -> None:
    bits = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    data = DataBin(meas=BitArray(bits, 20), shape=(2,))
    ours = PrimitiveResult([SamplerPubResult(data, metadata={"shots": 4})], metadata={"version": 2})
    theirs = json.loads(json.dumps(tagged(ours)), cls=RuntimeDecoder)
    assert theirs[0].data.meas == ours[0].data.meas
    back = untagged(json.loads(json.dumps(ours, cls=RuntimeEncoder)))
    assert back[0].data.meas == ours[0].data.meas
    assert back[0].data.shape == (2,)
    assert back[0].metadata == {"shots": 4}


def test_quantum_seconds_come_from_the_spans_of_the_result(server: VirtualQpu) -> None:
    assert quantum_seconds({}) is None
    from datetime import UTC, datetime, timedelta

    from qhub_ext.tiers.qpu.wire import execution_spans

    begin = datetime(2026, 1, 1, tzinfo=UTC)
    spans = execution_spans([(begin, begin + timedelta(seconds=1.5), {0: ((), 100)})])
    assert quantum_seconds(untagged({"execution": {"execution_spans": spans}})) == 1.5
    assert json.loads(json.dumps(spans), cls=RuntimeDecoder).duration == 1.5


@pytest.mark.parametrize(
    "torn",
    [
        {"__type__": "ndarray", "__value__": "!!!"},
        {"__type__": "BitArray", "__value__": {"array": 3}},
        {"__type__": "DataBin", "__value__": {"field_names": ["a"], "fields": {}}},
        {"__type__": "PrimitiveResult", "__value__": 7},
    ],
)
def test_a_torn_result_is_one_clear_sentence(torn: dict[str, object]) -> None:
    with pytest.raises(DeviceError, match="cannot be decoded"):
        untagged(torn)
