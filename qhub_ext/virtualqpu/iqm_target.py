"""What a virtual device of IQM's gates says of itself: architecture, calibration set and quality metrics, in the shapes of IQM's servers."""

from __future__ import annotations

import uuid
from typing import Any

from qhub_ext.job.calibration import GateTable
from qhub_ext.tiers.devices import Device
from qhub_ext.tiers.iqm import MARK

_IMPLEMENTATIONS = {"prx": "drag_crf", "cz": "crf_crf", "measure": "constant"}
NAMESPACE = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")  # RFC 4122's, for names that are addresses


def calibration_set_id(device: Device) -> str:
    return str(uuid.uuid5(NAMESPACE, device.snapshot.id))


def architecture(device: Device) -> dict[str, Any]:
    names, pairs = device.configuration[MARK]["names"], device.configuration[MARK]["cz"]
    sites = {"prx": [[name] for name in names], "measure": [[name] for name in names], "cz": pairs}
    return {
        "calibration_set_id": calibration_set_id(device),
        "qubits": names,
        "computational_resonators": [],
        "simulated": True,
        "gates": {
            gate: {
                "implementations": {_IMPLEMENTATIONS[gate]: {"loci": loci}},
                "default_implementation": _IMPLEMENTATIONS[gate],
                "override_default_implementation": {},
            }
            for gate, loci in sites.items()
        },
    }


def observation_sets(device: Device) -> tuple[dict[str, Any], dict[str, Any]]:
    """The calibration set, and the quality metrics."""
    names = device.configuration[MARK]["names"]
    snapshot, stamp = device.snapshot, device.snapshot.taken_at
    definition: list[dict[str, Any]] = []
    metrics: list[dict[str, Any]] = []

    def observe(where: list[dict[str, Any]], field: str, value: float | None, unit: str = "") -> None:
        if value is not None:
            number = len(definition) + len(metrics)
            where.append({"observation_id": number, "dut_field": field, "value": value, "unit": unit, "uncertainty": None, "invalid": False, "created_timestamp": stamp, "modified_timestamp": stamp})  # fmt: skip

    for number, name in enumerate(names):
        model, measured = f"characterization.model.{name}", f"metrics.ssro.measure.constant.{name}"
        observe(metrics, f"{model}.t1_time", snapshot.column("t1_s")[number], "s")
        observe(metrics, f"{model}.t2_time", snapshot.column("t2_s")[number], "s")
        readout = snapshot.column("readout_error")[number]
        observe(metrics, f"{measured}.fidelity", None if readout is None else 1 - readout)
        observe(metrics, f"{measured}.error_0_to_1", snapshot.column("prob_meas1_prep0")[number])
        observe(metrics, f"{measured}.error_1_to_0", snapshot.column("prob_meas0_prep1")[number])
        observe(definition, f"gates.measure.constant.{name}.duration", snapshot.column("readout_length_s")[number], "s")
    for gate, ours, method in (("prx", "r", "rb"), ("cz", "cz", "irb")):
        table: GateTable = snapshot.gates[ours]
        calibrated = {tuple(names.index(n) for n in locus) for locus in device.configuration[MARK]["cz"]}
        for row, site in enumerate(table.qubits):
            if gate == "cz" and site not in calibrated:
                continue
            locus, implementation = "__".join(names[q] for q in site), _IMPLEMENTATIONS[gate]
            error = table.error[row]
            observe(
                metrics,
                f"metrics.{method}.{gate}.{implementation}.{locus}.fidelity:par=d2",
                None if error is None else 1 - error,
            )
            observe(definition, f"gates.{gate}.{implementation}.{locus}.duration", table.length_s[row], "s")
    identity = calibration_set_id(device)

    def gathered(kind: str, observations: list[dict[str, Any]], own: str, describes: str | None) -> dict[str, Any]:
        return {"observation_set_id": own, "observation_set_type": kind, "describes_id": describes, "invalid": False, "dut_label": device.name, "created_timestamp": stamp, "end_timestamp": stamp, "observations": observations}  # fmt: skip

    own = str(uuid.uuid5(NAMESPACE, f"metrics of {identity}"))
    return gathered("calibration-set", definition, identity, None), gathered("quality-metric-set", metrics, own, identity)  # fmt: skip
