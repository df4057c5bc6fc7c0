"""A device as the tiers need it: its full Target, limits and snapshot. Read once per process, never from the network.

Most devices come from the catalog. Whoever holds the vendor's own documents of another one, or newer ones of a known one, puts them
in place by `install`.

The Target is the one that `qiskit_ibm_runtime.fake_provider` gives, built from the same two files. Importing that package costs
more than everything else a small job does, so it is asked only for what this module does not know how to build.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qiskit.circuit import Instruction, Parameter
from qiskit.circuit.controlflow import ForLoopOp, IfElseOp, SwitchCaseOp, WhileLoopOp
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.providers.backend import QubitProperties
from qiskit.transpiler import InstructionProperties, Target
from qiskit.utils.units import apply_prefix

from qhub_ext.errors import JobFolderError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.job.context import current
from qhub_ext.jobfolder.calibrations import read_document, read_snapshot
from qhub_ext.tiers import catalog, site_devices
from qhub_ext.tiers.snapshots import parse_ibm_properties

_CONTROL_FLOW = {"if_else": IfElseOp, "while_loop": WhileLoopOp, "for_loop": ForLoopOp, "switch_case": SwitchCaseOp}
MAX_SHOTS = 10**9
"""Of a device that names no limit."""
_NOT_GATES = ("measure", "delay", "reset")


@dataclass(frozen=True, eq=False)
class Device:
    """`max_shots` per circuit and parameter set; `rep_delay_s` the pause between shots, None where it is not reported.

    `given` are the vendor's properties with `source` for where they came from; None means the catalog's. `taken` is the snapshot
    that was read from the vendor's own document, where that is of another shape.
    """

    name: str
    configuration: Mapping[str, Any]
    given: Mapping[str, Any] | None = None
    source: str = ""
    taken: Snapshot | None = None

    @property
    def qubits(self) -> int:
        return int(self.configuration["n_qubits"])

    @property
    def max_shots(self) -> int:
        return int(self.configuration.get("max_shots") or MAX_SHOTS)

    @property
    def rep_delay_s(self) -> float | None:
        delay_us = self.configuration.get("default_rep_delay")
        return None if delay_us is None else float(delay_us) * 1e-6

    @property
    def properties(self) -> Mapping[str, Any]:
        return catalog.read_properties(self.name) if self.given is None else self.given

    @cached_property
    def snapshot(self) -> Snapshot:
        if self.taken is not None:
            return self.taken
        if self.given is None:
            return catalog.read_snapshot(self.name)
        return parse_ibm_properties(self.given, self.configuration, device=self.name, source=self.source)

    @property
    def document(self) -> dict[str, Any]:
        """What the vendor said, as QRMI gives it."""
        return {"configuration": self.configuration, "properties": self.properties}

    @cached_property
    def target(self) -> Target:
        return _build_target(self.configuration, self.properties)


_installed: dict[str, Device] = {}


def install(device: Device) -> None:
    """From here on `load` gives this one for its name."""
    _installed[device.name] = device


def uninstall(name: str) -> None:
    _installed.pop(name, None)


@functools.cache
def load_packaged(name: str) -> Device:
    """One that the installed package describes, by its own name and as it describes it."""
    return Device(name, catalog.read_configuration(name))


@functools.lru_cache(maxsize=4)
def load_pinned(name: str, path: Path) -> Device:
    """A device as it was when a stored snapshot was taken. Raises JobFolderError where the vendor's document of it was not kept."""
    document = read_document(path)
    if document is None or not {"configuration", "properties"} <= set(document):
        raise JobFolderError(
            f"Of the snapshot {path.name} only the numbers were kept, not what the vendor sent: nothing can run under it.",
            advice="`rerun JOB --snapshot latest` runs under the present one.",
            where=str(path),
        )
    return Device(name, document["configuration"], document["properties"], read_snapshot(path).source)


def load(name: str) -> Device:
    """A device by any of its names; one of the site's own is asked for its target when that is not known yet.

    Raises UnknownNameError, and DeviceError or PreflightError where the target of a site's device cannot be had.
    """
    if name in _installed:
        return _installed[name]
    found = catalog.resolve(name)
    if found in _installed:
        return _installed[found]
    pinned = current().pinned
    if pinned is not None and (catalog.packaged(pinned[0]) or pinned[0]) == found:
        return load_pinned(found, pinned[1])
    if found in catalog.packaged_names():
        return load_packaged(found)
    site_devices.ensure(found)
    if found not in _installed:
        document, snapshot = site_devices.document(found), site_devices.snapshot(found)
        install(Device(found, document["configuration"], document["properties"], snapshot.source, snapshot))
    return _installed[found]


def _build_target(configuration: Mapping[str, Any], properties: Mapping[str, Any]) -> Target:
    gates = get_standard_gate_name_mapping()
    supported = set(configuration.get("supported_instructions") or _NOT_GATES)
    named = {*configuration["basis_gates"], *supported.intersection((*_NOT_GATES, *_CONTROL_FLOW))}
    parameters = [*properties["gates"], *({"parameters": qubit} for qubit in properties["qubits"])]
    faulty = any(p["name"] == "operational" for entry in parameters for p in entry["parameters"])
    if faulty or "rzz" in named or any(n not in gates and n not in _CONTROL_FLOW for n in named):
        return _vendors_target(configuration, properties)

    width = int(configuration["n_qubits"])
    sites: dict[str, dict[tuple[int, ...], InstructionProperties | None] | None] = dict.fromkeys(sorted(named))
    for gate in configuration["gates"]:
        if gate["name"] in sites and gate.get("coupling_map"):
            sites[gate["name"]] = dict.fromkeys(map(tuple, gate["coupling_map"]))
    signatures = {s["name"]: s for s in configuration.get("instruction_signatures") or []}
    sites.update(dict.fromkeys(sorted(signatures)))
    for gate in properties["gates"]:
        if gate["gate"] in sites:
            known = _in_si(gate["parameters"])
            places = sites[gate["gate"]]
            if places is None:
                places = sites[gate["gate"]] = {}
            places[tuple(gate["qubits"])] = InstructionProperties(
                error=known.get("gate_error"), duration=known.get("gate_length")
            )
    qubits = [_in_si(parameters) for parameters in properties["qubits"]]
    sites["measure"] = {
        (q,): InstructionProperties(error=known.get("readout_error"), duration=known.get("readout_length"))
        for q, known in enumerate(qubits)
    }
    for operation in supported.intersection(_NOT_GATES):
        if sites[operation] is None:
            sites[operation] = {(q,): None for q in range(width)}

    dt_ns = configuration.get("dt")
    target = Target(
        num_qubits=width,
        dt=None if dt_ns is None else dt_ns * 1e-9,
        qubit_properties=[
            QubitProperties(t1=known.get("T1"), t2=known.get("T2"), frequency=known.get("frequency"))
            for known in qubits
        ],
        **(configuration.get("timing_constraints") or {}),
    )
    # sorted, so that the transpiler meets the operations in one order in every process
    for operation, places in sorted(sites.items()):
        if operation in _CONTROL_FLOW:
            target.add_instruction(_CONTROL_FLOW[operation], name=operation)
        elif operation in signatures:
            target.add_instruction(_instruction(signatures[operation]), places, name=operation)
        else:
            target.add_instruction(gates[operation], places, name=operation)
    return target


def _vendors_target(configuration: Mapping[str, Any], properties: Mapping[str, Any]) -> Target:
    """Faulty qubits, angle bounds and opaque gates: the vendor's own reading of them."""
    from qiskit_ibm_runtime.models import BackendConfiguration, BackendProperties
    from qiskit_ibm_runtime.utils.backend_converter import convert_to_target
    from qiskit_ibm_runtime.utils.backend_decoder import decode_backend_configuration, properties_from_server_data

    conf, props = (
        copy.deepcopy(dict(configuration)),
        copy.deepcopy(dict(properties)),
    )  # the readers change what they read
    decode_backend_configuration(conf)
    properties_from_server_data(props)
    target: Target = convert_to_target(
        configuration=BackendConfiguration.from_dict(conf),
        properties=BackendProperties.from_dict(props),
        include_control_flow=True,
        include_fractional_gates=True,
    )
    return target


def _instruction(signature: Mapping[str, Any]) -> Instruction:
    return Instruction(
        name=signature["name"],
        num_qubits=signature["num_qubits"],
        num_clbits=signature["num_clbits"],
        params=[Parameter(parameter) for parameter in signature["parameters"]],
    )


def _in_si(parameters: list[dict[str, Any]]) -> dict[str, float]:
    """Name to value, scaled as the vendor's package scales it, to the last bit."""
    return {p["name"]: apply_prefix(p["value"], p["unit"]) if p["unit"] else p["value"] for p in parameters}
