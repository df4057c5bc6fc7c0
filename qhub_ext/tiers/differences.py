"""What a run on one tier cannot tell of a run on another, in sentences: of the tier that runs against the device it stands for, and of the
tier that is asked for against the one where the same cell was tried. Plain words in, plain words out; nothing is imported for it.
"""

from __future__ import annotations

from dataclasses import dataclass

_OF_THE_DEVICE = {
    "local": "The tier local has no errors, no gates that are switched off, no queue and no drift.",
    "emulation": "The tier emulation has the errors of the calibration, without crosstalk, leakage and drift, and no queue.",
    "qpu": "The device has its own errors, drift and queue; no seed repeats its counts.",
}
_OF_A_VIRTUAL_ONE = (
    "The virtual QPU has errors, drift and a queue, without crosstalk and leakage; no seed repeats its counts."
)


@dataclass(frozen=True)
class Run:
    """Where a cell runs or ran. `calibrated_at` is the moment of its calibration (ISO 8601), "" where it is not known; `shots` None for the
    default; `simulated`: what stands for the device is a virtual QPU.
    """

    tier: str
    device: str
    calibrated_at: str = ""
    shots: int | None = None
    simulated: bool = False


def of_the_device(tier: str, *, simulated: bool = False) -> str:
    """What a tier has of the device that it stands for, and what not."""
    return _OF_A_VIRTUAL_ONE if tier == "qpu" and simulated else _OF_THE_DEVICE[tier]


def between(tried: Run, asked: Run) -> list[str]:
    """What will differ on `asked` from what was seen on `tried`, the largest first."""
    found = []
    if tried.device != asked.device:
        found.append(f"the device is {asked.device} and was {tried.device}: circuits have to be made ready for it")
    if tried.tier != asked.tier:
        found.append(_NOISE[tried.tier, asked.tier])
    if asked.tier == "qpu":
        if asked.simulated:
            found.append("what stands for the device is simulated: neither crosstalk nor leakage is met")
        found.append("it waits in the device's queue and uses its time")
    if "qpu" in (tried.tier, asked.tier) and tried.tier != asked.tier:
        found.append("no seed repeats the counts" if asked.tier == "qpu" else "a seed repeats the counts")
    if tried.calibrated_at and asked.calibrated_at and tried.calibrated_at != asked.calibrated_at:
        found.append(
            f"the calibration is that of {asked.calibrated_at:.16} UTC and was that of {tried.calibrated_at:.16}"
        )
    if tried.shots != asked.shots:
        found.append(f"{_shots(asked.shots)} and not {_shots(tried.shots)}")
    return found


_NOISE = {
    (
        "local",
        "emulation",
    ): "gates and readout have errors, those of the calibration, and gates that are switched off give noise",
    ("local", "qpu"): "gates and readout have errors, and gates that are switched off give noise",
    ("emulation", "local"): "gates and readout have no errors",
    ("emulation", "qpu"): "crosstalk, leakage and drift come on top of the calibration's errors",
    ("qpu", "local"): "gates and readout have no errors",
    ("qpu", "emulation"): "the errors are those of the calibration alone: crosstalk, leakage and drift are left out",
}


def _shots(number: int | None) -> str:
    return "the usual number of shots" if number is None else f"{number:,} shots"
