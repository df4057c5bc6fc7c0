"""Options of the device's own service, for the type of IBM: which reach the device, and which are lost on the way without a word.

QRMI reads the options of a sampler task into a typed record and sends what fits into it; anything else it drops and says nothing. So each
option is in one of two tables here: `SENT`, with the values that are accepted, or `LOST`, with why and what to do instead. An option of the
second table, and one of none, is an error on every tier: a cell that passes on `local` is not to be told later that the device cannot.
What simulated tiers cannot do is a line in their record.

Checked against the genuine wheel in tests/qpu/test_options.py.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import InvalidOptionError, PreflightError, UnknownNameError
from qhub_ext.tiers import iqm


@dataclass(frozen=True)
class Rule:
    """`accepts` tells whether a value may be sent; `words` say what would be."""

    accepts: Callable[[Any], bool]
    words: str


def _one_of(*values: str) -> Rule:
    return Rule(lambda value: value in values, ", ".join(values))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


BOOLEAN = Rule(lambda value: isinstance(value, bool), "True, False")
SECONDS = Rule(
    lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value >= 0, "a number of seconds"
)
WHOLE_OR_AUTO = Rule(lambda value: value == "auto" or _is_whole(value), "a whole number, auto")
ANYTHING = Rule(lambda value: isinstance(value, Mapping), "a dict, which the service reads as it likes")

SENT: Mapping[str, Rule | Mapping[str, Rule]] = {
    "dynamical_decoupling": {
        "enable": BOOLEAN,
        "sequence_type": _one_of("XX", "XpXm", "XY4"),
        "extra_slack_distribution": _one_of("middle", "edges"),
        "scheduling_method": _one_of("alap", "asap"),
        "skip_reset_qubits": BOOLEAN,
    },
    "execution": {
        "init_qubits": BOOLEAN,
        "rep_delay": SECONDS,
        "meas_type": _one_of("classified"),
    },
    "twirling": {
        "enable_gates": BOOLEAN,
        "enable_measure": BOOLEAN,
        "num_randomizations": WHOLE_OR_AUTO,
        "shots_per_randomization": WHOLE_OR_AUTO,
        "strategy": _one_of("active", "active-circuit", "active-accum", "all"),
    },
    "experimental": ANYTHING,
}

_OWN_ESTIMATOR = "it belongs to the service's own estimator, and this one measures through sampler tasks"
LOST: Mapping[str, tuple[str, str]] = {
    "environment": (
        "QRMI sends a log level, no tags and `private: false` of its own",
        "Name the job instead: --name.",
    ),
    "max_execution_time": (
        "QRMI takes the limit of a task from the resource's configuration",
        "The key QRMI_JOB_TIMEOUT_SECONDS of the resource sets it; --time limits the whole job.",
    ),
    "resilience": (_OWN_ESTIMATOR, "Mitigate in the cell, for instance with mthree or mitiq."),
    "resilience_level": (_OWN_ESTIMATOR, "Mitigate in the cell, for instance with mthree or mitiq."),
    "seed_estimator": (_OWN_ESTIMATOR, "Give the primitive its own `seed`."),
    "simulator": ("a device is no simulator", "Choose --tier emulation for simulated noise, and `seed` for the seed."),
}


def names() -> list[str]:
    return [*SENT, *LOST]


def check_option(name: str, value: Any) -> Any:
    """The value as it is sent, without what is None or unset. `value` may be a dict or the vendor's own options object.

    Raises InvalidOptionError with the name of the part that is lost or not accepted, UnknownNameError for a part that nobody knows.
    """
    if name in LOST:
        why, advice = LOST[name]
        raise InvalidOptionError(f"The option {name!r} would be lost on the way to the device: {why}.", advice=advice)
    rule = SENT[name]
    if isinstance(rule, Rule):
        _check(name, value, rule)
        return dict(value) if isinstance(value, Mapping) else value
    found = {}
    for part, given in _parts(name, value).items():
        if part not in rule:
            raise UnknownNameError.among(f"part of the option {name!r},", part, list(rule))
        if given is not None:
            _check(f"{name}.{part}", given, rule[part])
            found[part] = given
    return found


def check_for(options: Mapping[str, Any], configuration: Mapping[str, Any], device: str) -> None:
    """Raises InvalidOptionError for an option of IBM's service that another vendor's does not have."""
    if iqm.MARK not in configuration:
        return
    for name in SENT:
        given = options.get(name)
        parts = [part for part in _parts(name, given) if part != "enable"] if given and name in IQM_TOO else []
        if given is not None and (name not in IQM_TOO or parts):
            lost = f"{name}.{parts[0]}" if parts else name
            raise InvalidOptionError(
                f"The option {lost!r} does not exist for {device}: IQM's servers have nothing like it.",
                advice="They take dynamical_decoupling = {'enable': True}.",
            )


IQM_TOO = ("dynamical_decoupling",)
"""Options that IQM's servers have as well, with the part `enable` alone."""


def check_randomizations(options: Mapping[str, Any], shots: int) -> None:
    """Twirling runs whole sets of shots: other numbers of shots would come back than were asked for. Raises PreflightError."""
    twirling = options.get("twirling") or {}
    sets, each = (twirling.get(key, "auto") for key in ("num_randomizations", "shots_per_randomization"))
    if not (twirling.get("enable_gates") or twirling.get("enable_measure")):
        return
    fits = (
        sets * each == shots if "auto" not in (sets, each) else not any(shots % n for n in (sets, each) if n != "auto")
    )
    if not fits:
        raise PreflightError(
            f"Twirling with num_randomizations={sets} and shots_per_randomization={each} does not give {shots} shots.",
            advice="Choose numbers whose product is the shots, or leave one of them to `auto`.",
        )


def check_rep_delay(options: Mapping[str, Any], configuration: Mapping[str, Any], device: str) -> float | None:
    """The pause between shots that is asked for, in s; None where none is. Raises PreflightError for one that the device does not take."""
    asked = (options.get("execution") or {}).get("rep_delay")
    allowed_us = configuration.get("rep_delay_range")
    if asked is not None and allowed_us and not allowed_us[0] * 1e-6 <= asked <= allowed_us[1] * 1e-6:
        raise PreflightError(
            f"execution.rep_delay = {asked:g} s is not between {allowed_us[0]:g} and {allowed_us[1]:g} µs, which {device} takes."
        )
    return asked


def _check(name: str, value: Any, rule: Rule) -> None:
    if not rule.accepts(value):
        raise InvalidOptionError(f"The option {name!r} does not take {value!r}.", advice=f"Accepted: {rule.words}.")


def _parts(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): given for key, given in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.name[0] != "_"}
        return {part: given for part, given in parts.items() if type(given).__name__ != "UnsetType"}
    raise InvalidOptionError(
        f"The option {name!r} takes a dict, not {type(value).__name__}.",
        advice=f"Parts: {', '.join(SENT[name])}.",  # type: ignore[arg-type]
    )
