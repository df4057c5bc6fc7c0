"""A device by what it should be like, instead of by name: `qubits>=100, 2q<3e-3, family=heron, least busy`.

Pure: devices as they are known, and how many tasks wait at each, in; the best of those that fit out.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.tiers.device_summary import DeviceSummary

_WISH = re.compile(r"\s*([A-Za-z0-9_]+)\s*(<=|>=|==|=|<|>)\s*([^\s,]+)\s*")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq, "==": operator.eq,
}  # fmt: skip
_NUMBERS: dict[str, Callable[[DeviceSummary], float | None]] = {
    "qubits": lambda d: d.qubits,
    "shots": lambda d: d.max_shots,
    "t1_us": lambda d: _micro(d.medians.get("t1_s")),
    "t2_us": lambda d: _micro(d.medians.get("t2_s")),
    "readout": lambda d: d.medians.get("readout_error"),
    "1q": lambda d: d.medians.get("one_qubit_error"),
    "2q": lambda d: d.medians.get("two_qubit_error"),
    "dead_edges": lambda d: len(d.dead_edges),
}
_OTHER_NAMES = {
    "median_cz": "2q", "median_ecr": "2q", "two_qubit_error": "2q", "one_qubit_error": "1q", "readout_error": "readout",
    "max_shots": "shots", "t1": "t1_us", "t2": "t2_us",
}  # fmt: skip
_WORDS: dict[str, Callable[[DeviceSummary], str]] = {"family": lambda d: d.family.lower(), "device": lambda d: d.name}
LEAST_BUSY = "least busy"


@dataclass(frozen=True)
class Choice:
    """`why` says what it was chosen for, with the numbers."""

    name: str
    why: str


def is_wish(text: str) -> bool:
    return bool(re.search(r"[<>=,]", text)) or " ".join(text.lower().split()) == LEAST_BUSY


def choose(text: str, devices: Sequence[DeviceSummary], waiting: Mapping[str, int] | None = None) -> Choice:
    """The one that fits, with the fewest tasks waiting where `least busy` is wished, then with the best two-qubit gates.

    `waiting` has the tasks at each device, None where nothing waits at devices. Raises InvalidOptionError for what is no
    wish, UnknownNameError when nothing fits, with what comes nearest.
    """
    tests: list[tuple[str, Callable[[DeviceSummary], bool]]] = []
    least_busy = False
    for part in text.split(","):
        words = " ".join(part.lower().split())
        if words == LEAST_BUSY:
            least_busy = True
        elif words:
            if words in {device.name.lower() for device in devices}:
                raise InvalidOptionError(
                    f"--device: {part.strip()!r} is a device, and one among others in {text!r}.",
                    advice="A job has one device: name one, or submit the cell once for each.",
                )
            tests.append((part.strip(), _test(part)))
    fitting = [d for d in devices if all(test(d) for _, test in tests)]
    if not fitting:
        counts = [(sum(test(d) for d in devices), part) for part, test in tests]
        fewest, hardest = min(counts) if counts else (0, text)
        raise UnknownNameError(
            f"No device fits {text!r}.",
            advice=f"The hardest wish is {hardest!r}: {fewest} of {len(devices)} devices have it.",
        )
    queues = waiting or {}
    best = min(fitting, key=lambda d: (queues.get(d.name, 0) if least_busy else 0, _order(d), d.name))
    facts = [f"{best.qubits} qubits"]
    error = best.medians.get("two_qubit_error")
    if error is not None:
        facts.append(f"median two-qubit error {error:.2e}")
    if least_busy and waiting is not None:
        ahead = queues.get(best.name, 0)
        facts.append(f"{ahead} task{'' if ahead == 1 else 's'} waiting")
    return Choice(best.name, f"{best.name} ({', '.join(facts)}), the best of {len(fitting)} that fit {text.strip()!r}")


def _order(device: DeviceSummary) -> float:
    error = device.medians.get("two_qubit_error")
    return float("inf") if error is None else error


def _test(part: str) -> Callable[[DeviceSummary], bool]:
    match = _WISH.fullmatch(part)
    names = [*_NUMBERS, *_WORDS]
    if match is None:
        raise InvalidOptionError(
            f"--device: {part.strip()!r} is no wish.",
            advice=f"For example qubits>=100 or 2q<3e-3; of {', '.join(names)}, or {LEAST_BUSY!r}.",
        )
    given, symbol, value = match.groups()
    name = _OTHER_NAMES.get(given.lower(), given.lower())
    compare = _OPERATORS[symbol]
    if name in _WORDS:
        if symbol not in ("=", "=="):
            raise InvalidOptionError(f"--device: {given} is a word; only = fits.", advice=f"{given}=heron")
        word = _WORDS[name]
        return lambda d: word(d) == value.lower()
    if name not in _NUMBERS:
        raise UnknownNameError.among("property of a device", given, names)
    try:
        number = float(value)
    except ValueError:
        raise InvalidOptionError(f"--device: {value!r} in {part.strip()!r} is no number.") from None
    read = _NUMBERS[name]

    def fits(device: DeviceSummary) -> bool:
        known = read(device)
        return known is not None and compare(known, number)

    return fits


def _micro(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e6
