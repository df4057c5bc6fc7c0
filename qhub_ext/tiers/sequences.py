"""Pulser sequences: what a device would refuse, said before anything runs, and emulation of them on this machine.

Pulser's own words are kept: a sequence is made for a device, a run is one shot. `local` is ideal; `emulation` has the noise model of the
sequence's device, or one that is given.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from qhub_ext.errors import InvalidOptionError, PreflightError
from qhub_ext.tiers.findings import REFUSE, WARN, Finding

NEEDED = ("pulser", "pulser_simulation")
DEFAULT_RUNS = 1000
"""As Pulser's own backends have it."""
MAX_ATOMS = 16
"""Atoms that a whole state is emulated for: 2^16 amplitudes, and a few minutes."""


def require_pulser(*packages: str) -> None:
    """Raises PreflightError."""
    missing = [name for name in packages or NEEDED if find_spec(name) is None]
    if missing:
        raise PreflightError(
            f"Pulser sequences need packages that are not installed: {', '.join(missing)}.",
            advice="pip install 'qhub-ext[pasqal]'",
        )


def built(sequence: Any, variables: dict[str, Any] | None) -> Any:
    """The sequence with its variables set. Raises InvalidOptionError for what is no sequence, or lacks values."""
    require_pulser("pulser")
    pulser = import_module("pulser")
    if not isinstance(sequence, pulser.Sequence):
        raise InvalidOptionError(f"PulserBackend takes a pulser.Sequence, not {type(sequence).__name__}.")
    if sequence.is_parametrized() or sequence.is_register_mappable():
        if not variables:
            names = ", ".join(sequence.declared_variables) or "its qubits"
            raise InvalidOptionError(
                f"The sequence has no values for {names}.", advice="Give them: run(variables={...})."
            )
        sequence = sequence.build(**variables)
    elif variables:
        raise InvalidOptionError("The sequence has no variables, and values were given for some.")
    return sequence


def check_sequence(sequence: Any, runs: int, *, device: Any = None) -> list[Finding]:
    """Against the device that it was made for, or `device` that it is sent to. On a machine of ours a made-up device is only warned of."""
    found = []
    own = sequence.device
    sent_to = own if device is None else device
    problem = _problem(sequence)
    if problem:
        real = type(own).__name__ == "Device"
        severity = REFUSE if real or device is not None else WARN
        advice = "" if real else "Make it for the device that it is to run on, or use with_new_device."
        found.append(Finding(severity, "sequence", f"No device takes this sequence: {problem}", advice))
    most = getattr(sent_to, "max_runs", None)
    if isinstance(runs, bool) or not isinstance(runs, int) or runs < 1:
        found.append(Finding(REFUSE, "runs", f"{runs!r} runs are not accepted.", "Give a whole number of at least 1."))
    elif most and runs > most:
        found.append(
            Finding(REFUSE, "runs", f"{runs:,} runs are asked for, {sent_to.name} takes at most {most:,}.", "", {"runs": runs, "limit": most})
        )  # fmt: skip
    return found


def _problem(sequence: Any) -> str:
    """Pulser's own words for what a device would not take; "" where there is nothing."""
    try:
        import_module("pulser.backend.abc").Backend.validate_sequence(sequence, mimic_qpu=True)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""


def emulate(sequence: Any, runs: int, *, noise_model: Any = None, seed: int | None = None) -> Any:
    """Pulser's Results, with the bits of `runs` runs. Raises PreflightError for more atoms than can be emulated."""
    require_pulser()
    atoms = len(sequence.register.qubit_ids)
    if atoms > MAX_ATOMS:
        raise PreflightError(
            f"The sequence has {atoms} atoms; the emulator here takes {MAX_ATOMS}.",
            advice="Take fewer atoms, or send it to the device or its service's own emulators: --tier qpu --device EMU_MPS.",
        )
    simulation, bits = import_module("pulser_simulation"), import_module("pulser.backend").BitStrings
    config = simulation.QutipConfig(
        observables=[bits(num_shots=runs)], default_num_shots=runs, **({} if noise_model is None else {"noise_model": noise_model})
    )  # fmt: skip
    before = np.random.get_state()
    try:
        if seed is not None:
            np.random.seed(seed % 2**32)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            return simulation.QutipBackendV2(sequence, config=config).run()
    finally:
        if seed is not None:
            np.random.set_state(before)


def noise_of(sequence: Any) -> Any:
    """Raises PreflightError where Pulser has no noise model for the sequence's device."""
    model = getattr(sequence.device, "noise_model", None)
    if model is None:
        raise PreflightError(
            f"There is no noise model for {sequence.device.name}: the tier emulation would be ideal.",
            advice="Give one, PulserBackend(sequence, noise_model=pulser.NoiseModel(...)), or choose --tier local.",
        )
    return model


def results_of(counts: dict[str, int], sequence: Any) -> Any:
    """What a device counted, as Pulser's Results."""
    results = import_module("pulser.backend.results").Results
    return results.from_final_bitstrings(
        atom_order=sequence.register.qubit_ids, total_duration=sequence.get_duration(), final_bitstrings=counts
    )
