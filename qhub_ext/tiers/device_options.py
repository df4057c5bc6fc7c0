"""Options of the device's own service, for the type of IBM: which reach the device, and which are lost on the way without a word.

QRMI reads the options of a task into a typed record and sends what fits into it; anything else it drops and says nothing. So each option is in
one of three tables here: `SENT`, with the values that are accepted, `ESTIMATED`, for those of the service's own estimator, or `LOST`, with
why and what to do instead. An option of the last table, and one of none, is an error on every tier: a cell that passes on `local` is not
to be told later that the device cannot. What simulated tiers cannot do is a line in their record.

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


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


BOOLEAN = Rule(lambda value: isinstance(value, bool), "True, False")
SECONDS = Rule(
    lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value >= 0, "a number of seconds"
)
WHOLE = Rule(_is_whole, "a whole number")
WHOLE_OR_AUTO = Rule(lambda value: value == "auto" or _is_whole(value), "a whole number, auto")
ANYTHING = Rule(lambda value: isinstance(value, Mapping), "a dict, which the service reads as it likes")

Table = Mapping[str, "Rule | Table"]

SENT: Table = {
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

_FACTORS = Rule(
    lambda value: isinstance(value, list | tuple) and bool(value) and all(_is_number(one) for one in value),
    "a list of numbers",
)
_EXTRAPOLATORS = (
    "linear",
    "exponential",
    "double_exponential",
    *(f"polynomial_degree_{n}" for n in range(1, 8)),
    "fallback",
)

ESTIMATED: Table = {
    "resilience_level": Rule(lambda value: value in (0, 1, 2) and not isinstance(value, bool), "0, 1, 2"),
    "seed_estimator": Rule(lambda value: isinstance(value, int) and not isinstance(value, bool), "a whole number"),
    "resilience": {
        "measure_mitigation": BOOLEAN,
        "measure_noise_learning": {"num_randomizations": WHOLE, "shots_per_randomization": WHOLE_OR_AUTO},
        "zne_mitigation": BOOLEAN,
        "zne": {
            "amplifier": _one_of("gate_folding", "gate_folding_front", "gate_folding_back", "pea"),
            "noise_factors": _FACTORS,
            "extrapolator": Rule(
                lambda value: all(
                    one in _EXTRAPOLATORS for one in (value if isinstance(value, list | tuple) and value else [value])
                ),
                f"one or several of {', '.join(_EXTRAPOLATORS)}",
            ),
            "extrapolated_noise_factors": _FACTORS,
        },
        "pec_mitigation": BOOLEAN,
        "pec": {
            "max_overhead": Rule(lambda value: _is_number(value) and value > 0, "a number above 0"),
            "noise_gain": Rule(lambda value: value == "auto" or _is_number(value), "a number, auto"),
        },
        "layer_noise_learning": {
            "max_layers_to_learn": WHOLE,
            "shots_per_randomization": WHOLE,
            "num_randomizations": WHOLE,
            "layer_pair_depths": Rule(
                lambda value: isinstance(value, list | tuple) and all(_is_whole(one) or one == 0 for one in value),
                "a list of whole numbers",
            ),
        },
    },
}
"""Options of the service's own estimator. One of them sends an Estimator's PUBs there as they are; without, it measures through sampler
tasks, the same on every tier.
"""

LOST: Mapping[str, tuple[str, str]] = {
    "environment": (
        "QRMI sends a log level, no tags and `private: false` of its own",
        "Name the job instead: --name.",
    ),
    "max_execution_time": (
        "QRMI takes the limit of a task from the resource's configuration",
        "The key QRMI_JOB_TIMEOUT_SECONDS of the resource sets it; --time limits the whole job.",
    ),
    "resilience.layer_noise_model": (
        "it is an object of the vendor's package, which is not sent",
        "Leave it out: the service learns the noise itself.",
    ),
    "simulator": ("a device is no simulator", "Choose --tier emulation for simulated noise, and `seed` for the seed."),
}


def names() -> list[str]:
    return [*SENT, *ESTIMATED, *LOST]


def check_option(name: str, value: Any) -> Any:
    """The value as it is sent, without what is None or unset. `value` may be a dict or the vendor's own options object.

    Raises InvalidOptionError with the name of the part that is lost or not accepted, UnknownNameError for a part that nobody knows.
    """
    _refuse_lost(name)
    return _checked(name, value, SENT[name] if name in SENT else ESTIMATED[name])


def _refuse_lost(name: str) -> None:
    if name in LOST:
        why, advice = LOST[name]
        raise InvalidOptionError(f"The option {name!r} would be lost on the way to the device: {why}.", advice=advice)


def _checked(name: str, value: Any, rule: Rule | Table) -> Any:
    if isinstance(rule, Rule):
        if not rule.accepts(value):
            raise InvalidOptionError(f"The option {name!r} does not take {value!r}.", advice=f"Accepted: {rule.words}.")
        return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
    found = {}
    for part, given in _parts(name, value, rule).items():
        if given is not None:
            _refuse_lost(f"{name}.{part}")
        if part not in rule:
            raise UnknownNameError.among(f"part of the option {name!r},", part, list(rule))
        if given is not None:
            checked = _checked(f"{name}.{part}", given, rule[part])
            if checked != {} or isinstance(value, Mapping):  # an object of the vendor's has empty parts
                found[part] = checked
    return found


def own_estimator(options: Mapping[str, Any]) -> list[str]:
    """The options among these that only the service's own estimator knows."""
    return [name for name in ESTIMATED if options.get(name) is not None]


def check_primitive(options: Mapping[str, Any], primitive: str) -> None:
    """Raises InvalidOptionError for an option that this primitive's program would drop."""
    asked = own_estimator(options)
    if primitive != "estimator" and asked:
        raise InvalidOptionError(
            f"The option {asked[0]!r} belongs to an estimator: a sampler has nothing like it.",
            advice="Give it to an Estimator; for a Sampler there are dynamical_decoupling and twirling.",
        )
    if asked and options.get("execution") and "meas_type" in _parts("execution", options["execution"], {}):
        raise InvalidOptionError(
            "The option 'execution.meas_type' would be lost on the way to the device: the service's estimator has none.",
            advice=f"Leave it out, or {asked[0]}.",
        )


def check_for(options: Mapping[str, Any], configuration: Mapping[str, Any], device: str) -> None:
    """Raises InvalidOptionError for an option of IBM's service that another vendor's does not have."""
    if iqm.MARK not in configuration:
        return
    for name in (*SENT, *ESTIMATED):
        given = options.get(name)
        parts = [part for part in _parts(name, given, {}) if part != "enable"] if given and name in IQM_TOO else []
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


def _parts(name: str, value: Any, rule: Table) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): given for key, given in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.name[0] != "_"}
        return {part: given for part, given in parts.items() if type(given).__name__ != "UnsetType"}
    raise InvalidOptionError(
        f"The option {name!r} takes a dict, not {type(value).__name__}.", advice=f"Parts: {', '.join(rule)}."
    )
