"""Options of the device's service: each reaches it as it was given, or is refused by its name before anything is sent."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from qiskit import QuantumCircuit
from qiskit_ibm_runtime.options import EstimatorOptions, SamplerOptions

from qhub_ext.errors import InvalidOptionError, PreflightError, UnknownNameError
from qhub_ext.job import context
from qhub_ext.primitives import Estimator, Sampler
from qhub_ext.settings import current_settings
from qhub_ext.tiers import device_options
from qhub_ext.tiers.findings import PreflightWarning
from qhub_ext.tiers.qpu import backend as tier
from qhub_ext.tiers.qpu.process import ResourceProcess
from tests.qpu.conftest import VirtualQpu

FULL: dict[str, Any] = {
    "dynamical_decoupling": {
        "enable": True,
        "sequence_type": "XY4",
        "extra_slack_distribution": "edges",
        "scheduling_method": "asap",
        "skip_reset_qubits": True,
    },
    "execution": {"init_qubits": False, "rep_delay": 1e-4, "meas_type": "classified"},
    "twirling": {
        "enable_gates": True,
        "enable_measure": True,
        "num_randomizations": 10,
        "shots_per_randomization": 10,
        "strategy": "active-accum",
    },
    "experimental": {"image": "somebody/something:1", "deep": {"er": [1, 2]}},
}


@pytest.fixture(autouse=True)
def _on_qpu(qpu: VirtualQpu) -> Iterator[None]:
    with context.using(tier="qpu", device="kingston"):
        yield


def test_the_table_covers_every_option_that_the_vendor_s_own_primitives_have() -> None:
    ours = {"default_shots", "default_precision"}  # the primitives' own, sent as shots
    theirs = {f.name for c in (SamplerOptions, EstimatorOptions) for f in dataclasses.fields(c)} - ours
    assert {name for name in theirs if not name.startswith("_")} <= set(device_options.names())


def test_every_option_that_may_be_sent_reaches_the_device_as_it_was_given(
    qpu: VirtualQpu, bell: QuantumCircuit
) -> None:
    assert {name: set(value) for name, value in FULL.items() if name != "experimental"} == {
        name: set(rule) for name, rule in device_options.SENT.items() if isinstance(rule, dict)
    }
    records: list[dict[str, Any]] = []
    with context.using(record=records.append), pytest.warns(PreflightWarning, match="simulates nothing of it"):
        Sampler(options=FULL).run([bell], shots=100).result()
    (sent,) = records[0]["device_tasks"]
    assert qpu.params(sent["task"])["options"] == FULL
    # 100 shots with a pause of 100 µs
    assert sent["qpu_s"] == pytest.approx(records[0]["estimated_qpu_s"], rel=0.01)
    assert 0.01 < sent["qpu_s"] < 0.02


@pytest.mark.parametrize("name", sorted(device_options.LOST))
@pytest.mark.parametrize("where", ["local", "emulation", "qpu"])
def test_what_would_be_lost_is_refused_by_its_name_on_every_tier(
    qpu: VirtualQpu, bell: QuantumCircuit, name: str, where: str
) -> None:
    before = len(qpu.tasks())
    with context.using(tier=where), pytest.raises(InvalidOptionError, match=f"'{name}' would be lost"):
        Sampler(options={name: {"anything": 1}}).run([bell])
    with context.using(tier=where), pytest.raises(InvalidOptionError, match=f"'{name}' would be lost"):
        Estimator(options={name: 1}).run([(bell.remove_final_measurements(inplace=False), "Z" * bell.num_qubits)])
    assert len(qpu.tasks()) == before


@pytest.mark.parametrize(
    "name", ["environment", "max_execution_time", "resilience", "resilience_level", "seed_estimator"]
)
def test_the_genuine_client_does_lose_them_with_a_sampler_task(
    qpu: VirtualQpu, bell: QuantumCircuit, name: str
) -> None:
    assert name in device_options.LOST or name in device_options.ESTIMATED
    assert name not in sent_by_hand(qpu, bell, {name: {"job_tags": ["mine"], "measure_mitigation": True, "level": 2}})


def test_the_genuine_client_loses_a_part_that_it_does_not_know(qpu: VirtualQpu, bell: QuantumCircuit) -> None:
    options = {"twirling": {"enable_gates": True, "colour": "blue"}, "foo": 1}
    assert sent_by_hand(qpu, bell, options) == {"twirling": {"enable_gates": True}}


MITIGATED: dict[str, Any] = {
    "resilience_level": 2,
    "seed_estimator": 5,
    "resilience": {
        "measure_mitigation": True,
        "measure_noise_learning": {"num_randomizations": 4, "shots_per_randomization": "auto"},
        "zne_mitigation": True,
        "zne": {
            "amplifier": "pea",
            "noise_factors": [1, 1.5, 2],
            "extrapolator": ["exponential", "linear"],
            "extrapolated_noise_factors": [0, 1],
        },
        "pec_mitigation": False,
        "pec": {"max_overhead": 50, "noise_gain": "auto"},
        "layer_noise_learning": {
            "max_layers_to_learn": 3,
            "shots_per_randomization": 64,
            "num_randomizations": 8,
            "layer_pair_depths": [0, 1, 2],
        },
    },
    "dynamical_decoupling": FULL["dynamical_decoupling"],
    "twirling": FULL["twirling"],
    "execution": {"init_qubits": False, "rep_delay": 1e-4},
}


@pytest.fixture
def unmeasured(bell: QuantumCircuit) -> QuantumCircuit:
    return bell.remove_final_measurements(inplace=False)


def parts_of(table: Any, found: Any, path: str = "") -> None:
    """Every part of the table is in `found`."""
    if isinstance(table, device_options.Rule):
        return
    for name, rule in table.items():
        assert name in found, f"{path}{name}"
        parts_of(rule, found[name], f"{path}{name}.")


def test_an_estimator_that_is_to_mitigate_is_the_service_s_own_and_gets_every_option_as_it_was_given(
    qpu: VirtualQpu, unmeasured: QuantumCircuit
) -> None:
    parts_of(device_options.ESTIMATED, MITIGATED)
    records: list[dict[str, Any]] = []
    pairs = [["I" * q + "ZZ" + "I" * (unmeasured.num_qubits - 2 - q)] for q in range(2)]
    with context.using(record=records.append), pytest.warns(PreflightWarning, match="simulates nothing of it"):
        job = Estimator(options=MITIGATED).run([(unmeasured, pairs, None, 0.05)])
    result = job.result()
    assert result[0].data.evs.shape == result[0].data.stds.shape == (2, 1)
    assert result.metadata["not_simulated"] == sorted({*MITIGATED, "execution.init_qubits"} - {"execution"})
    (sent,) = records[0]["device_tasks"]
    (task,) = [one for one in qpu.tasks() if one["id"] == sent["task"]]
    assert task["program"]["id"] == "estimator"
    params = qpu.params(sent["task"])
    reached = params["options"] | {"resilience_level": params["resilience_level"]}
    assert reached == MITIGATED
    assert [len(params["pubs"]), params["pubs"][0][3]] == [1, 0.05]
    assert records[0]["methods"][0]["executions"] == 1
    assert sent["qpu_s"] > 0
    assert any(f["kind"] == "own-estimator" for f in records[0]["findings"])


@pytest.mark.filterwarnings("ignore:The virtual kingston takes")
def test_the_service_s_own_estimator_agrees_with_ours_where_nothing_is_mitigated(
    unmeasured: QuantumCircuit,
) -> None:
    width = unmeasured.num_qubits
    active = sorted({unmeasured.find_bit(q).index for i in unmeasured.data for q in i.qubits})
    word = "".join("Z" if width - 1 - k in active else "I" for k in range(width))
    ours = Estimator().run([(unmeasured, word)]).result()[0].data
    theirs = Estimator(options={"resilience_level": 0}).run([(unmeasured, word)]).result()[0].data
    assert abs(float(ours.evs) - float(theirs.evs)) < 5 * (float(ours.stds) + float(theirs.stds))
    assert float(theirs.evs) > 0.8


@pytest.mark.parametrize("where", ["local", "emulation"])
def test_on_a_tier_without_a_service_its_record_says_that_nothing_is_mitigated(
    where: str, unmeasured: QuantumCircuit
) -> None:
    records: list[dict[str, Any]] = []
    with context.using(tier=where, record=records.append):
        Estimator(options={"resilience_level": 1}).run([(unmeasured, "Z" * unmeasured.num_qubits)]).result()
    assert [f["sentence"] for f in records[0]["findings"] if f["kind"] == "option-without-effect"] == [
        f"The option 'resilience_level' has no effect on the tier {where}."
    ]


@pytest.mark.parametrize("where", ["local", "qpu"])
def test_what_belongs_to_an_estimator_is_refused_to_a_sampler(where: str, bell: QuantumCircuit) -> None:
    with (
        context.using(tier=where),
        pytest.raises(InvalidOptionError, match="'resilience_level' belongs to an estimator"),
    ):
        Sampler(options={"resilience_level": 1}).run([bell])


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"resilience_level": 3}, InvalidOptionError, "Accepted: 0, 1, 2"),
        ({"resilience_level": True}, InvalidOptionError, "resilience_level"),
        ({"resilience": {"zne": {"amplifier": "loud"}}}, InvalidOptionError, "resilience.zne.amplifier"),
        ({"resilience": {"zne": {"extrapolator": ["cubic"]}}}, InvalidOptionError, "resilience.zne.extrapolator"),
        ({"resilience": {"zne": {"colour": 1}}}, UnknownNameError, "part of the option 'resilience.zne', 'colour'"),
        ({"resilience": {"pec": 3}}, InvalidOptionError, "'resilience.pec' takes a dict"),
        (
            {"resilience": {"layer_noise_model": [1]}},
            InvalidOptionError,
            "'resilience.layer_noise_model' would be lost",
        ),
        ({"resilience_level": 1, "execution": {"meas_type": "classified"}}, InvalidOptionError, "execution.meas_type"),
    ],
)
def test_an_estimator_s_option_that_is_not_accepted_is_refused_by_its_name(
    unmeasured: QuantumCircuit, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind) as caught:
        Estimator(options=options).run([(unmeasured, "Z" * unmeasured.num_qubits)])
    assert words in str(caught.value)


@pytest.mark.filterwarnings("ignore:The virtual kingston takes")
def test_the_vendor_s_own_estimator_options_are_taken(qpu: VirtualQpu, unmeasured: QuantumCircuit) -> None:
    theirs = EstimatorOptions()
    theirs.resilience.zne_mitigation = True
    theirs.resilience.zne.noise_factors = (1, 3)
    records: list[dict[str, Any]] = []
    with context.using(record=records.append):
        Estimator(options={"resilience": theirs.resilience}).run([(unmeasured, "Z" * unmeasured.num_qubits)]).result()
    (sent,) = records[0]["device_tasks"]
    assert qpu.params(sent["task"])["options"]["resilience"] == {
        "zne_mitigation": True,
        "zne": {"noise_factors": [1, 3]},
    }


def sent_by_hand(qpu: VirtualQpu, bell: QuantumCircuit, options: dict[str, Any]) -> dict[str, Any]:
    """What the wheel makes of options that nobody checks."""
    from qhub_ext.tiers.qpu.wire import to_qasm

    process = ResourceProcess(tier.find_resource("kingston", current_settings().qpu, "embedded"))
    content = {"pubs": [[to_qasm(bell), None, 10]], "version": 2, "support_qiskit": True, "options": options}
    try:
        payload = {"kind": "primitive", "program": "sampler", "input": json.dumps(content)}
        task = process.call("task_start", deadline_s=30, payload=payload)
    finally:
        process.close()
    return dict(qpu.params(task).get("options") or {})


@pytest.mark.filterwarnings("ignore:The virtual kingston takes")
@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"twirling": {"colour": "blue"}}, UnknownNameError, "part of the option 'twirling', 'colour'"),
        ({"dynamical_decoupling": {"sequence_type": "ZZ"}}, InvalidOptionError, "dynamical_decoupling.sequence_type"),
        ({"dynamical_decoupling": True}, InvalidOptionError, "takes a dict, not bool"),
        ({"execution": {"meas_type": "kerneled"}}, InvalidOptionError, "execution.meas_type"),
        ({"execution": {"rep_delay": -1}}, InvalidOptionError, "execution.rep_delay"),
        ({"execution": {"rep_delay": 1.0}}, PreflightError, "not between 0 and 2000 µs"),
        ({"twirling": {"enable_gates": 1}}, InvalidOptionError, "twirling.enable_gates"),
        ({"twirling": {"enable_gates": True, "num_randomizations": 7}}, PreflightError, "does not give 100 shots"),
        ({"experimental": 3}, InvalidOptionError, "experimental"),
        ({"colour": "blue"}, UnknownNameError, "colour"),
    ],
)
def test_a_value_or_a_part_that_is_not_accepted_is_refused_by_its_name(
    qpu: VirtualQpu, bell: QuantumCircuit, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    before = len(qpu.tasks())
    with pytest.raises(kind) as caught:
        Sampler(options=options).run([bell], shots=100)
    assert words in str(caught.value)
    assert len(qpu.tasks()) == before


def test_the_vendor_s_own_options_object_is_taken_with_what_was_set_in_it(
    qpu: VirtualQpu, bell: QuantumCircuit
) -> None:
    theirs = SamplerOptions()
    theirs.twirling.enable_measure = True
    records: list[dict[str, Any]] = []
    with context.using(record=records.append), pytest.warns(PreflightWarning):
        Sampler(options={"twirling": theirs.twirling}).run([bell], shots=64).result()
    (sent,) = records[0]["device_tasks"]
    assert qpu.params(sent["task"])["options"] == {"twirling": {"enable_measure": True}}
