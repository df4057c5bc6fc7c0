"""What a device of neutral atoms tells of itself (Pulser's specification) as a calibration snapshot.

Its errors are those of the noise model that the specification brings: one number for all atoms, in 1/us and probabilities. Limits of channels and
layouts are no calibration: sequences are checked against them by Pulser itself. No date stands in it, so that of the asking is taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qhub_ext.errors import InvalidOptionError
from qhub_ext.job.calibration import Column, Snapshot, finite

KEY = "devices"
"""In the document, as it is kept: the list that QRMI gives as a target."""
_READ = {"p_false_pos", "p_false_neg", "relaxation_rate", "dephasing_rate"}
_NOT_TOLD = {"noise_types", "runs", "samples_per_run", "pulser_version"}
_NEITHER: tuple[Any, ...] = (0, None, [], "")


def is_pulser(document: Mapping[str, Any]) -> bool:
    return KEY in document


def specs_of(document: Mapping[str, Any], device: str) -> str:
    """The specification of one of the devices that a service lists. Raises InvalidOptionError."""
    listed = document.get(KEY)
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise InvalidOptionError(f"A list of devices was expected, not {type(listed).__name__}.")
    found = {str(one.get("device_type")): one.get("specs") for one in listed}
    specs = found.get(device) or next(iter(found.values()), None)
    if not isinstance(specs, str):
        raise InvalidOptionError(f"It has no specification of {device}; it lists {', '.join(found) or 'nothing'}.")
    return specs


def read_specs(document: Mapping[str, Any], *, device: str, source: str, at: str) -> tuple[Snapshot, tuple[str, ...]]:
    """The snapshot, and a sentence for each thing that is not in it. Raises InvalidOptionError where not even the number of atoms is told."""
    try:
        specs = json.loads(specs_of(document, device))
        atoms = specs["max_atom_num"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidOptionError(f"Its specification cannot be read: {type(error).__name__}: {error}.") from error
    if isinstance(atoms, bool) or not isinstance(atoms, int) or not 1 <= atoms <= MOST_ATOMS:
        raise InvalidOptionError(f"It does not say how many atoms the device takes: {atoms!r}.")
    noise = specs.get("default_noise_model")
    channels = [str(one.get("id")) for one in _list(specs, "channels") if isinstance(one, Mapping)]
    snapshot = Snapshot(
        device=device,
        taken_at=at,
        source=source,
        synthetic=False,
        qubits=atoms,
        columns={name: Column.of([(value, at)] * atoms) for name, value in _columns(noise)},
        gates={},
        basis=tuple(sorted(channels)),
        extra={"kind": "pulser", "max_runs": finite(specs.get("max_runs")), "layouts": len(_list(specs, "pre_calibrated_layouts"))},
    )  # fmt: skip
    return snapshot, tuple(_unread(specs, noise, channels))


MOST_ATOMS = 10_000


def _columns(noise: Any) -> Iterator[tuple[str, float]]:
    if not isinstance(noise, Mapping):
        return
    for name, column in (("relaxation_rate", "t1_s"), ("dephasing_rate", "t2_s")):
        rate = finite(noise.get(name))
        if rate is not None and rate > 0:
            yield column, 1e-6 / rate
    false_1, false_0 = finite(noise.get("p_false_pos")), finite(noise.get("p_false_neg"))
    if false_1 is not None and false_0 is not None:
        yield "readout_error", (false_1 + false_0) / 2
    if false_0 is not None:
        yield "prob_meas0_prep1", false_0
    if false_1 is not None:
        yield "prob_meas1_prep0", false_1


def _unread(specs: Mapping[str, Any], noise: Any, channels: Sequence[str]) -> Iterator[str]:
    if not isinstance(noise, Mapping):
        yield "default_noise_model: it is missing, so readout errors and lifetimes are not known."
    else:
        others = sorted(k for k, v in noise.items() if k not in _READ | _NOT_TOLD and v not in _NEITHER)
        if others:
            yield f"default_noise_model: {', '.join(map(str, others))}: not among what a snapshot keeps."
    if channels:
        yield f"the limits of {_counted(len(channels), 'channel')}: sequences are checked against them, they are no calibration."
    layouts = len(_list(specs, "pre_calibrated_layouts"))
    if layouts:
        yield f"the places of the traps of {_counted(layouts, 'layout')}: not among what a snapshot keeps."
    yield "the moment of the calibration: it is not told; that of the asking stands for it."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _list(record: Mapping[str, Any], key: str) -> list[Any]:
    value = record.get(key)
    return value if isinstance(value, list) else []
