"""The options of a tier: name, accepted values and a sentence for each. An option that nobody honours is an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.tiers import device_options
from qhub_ext.tiers.method import AUTOMATIC, METHODS

READOUTS = ("symmetric", "asymmetric")


@dataclass(frozen=True)
class Option:
    name: str
    default: Any
    accepted: tuple[Any, ...]
    sentence: str
    tiers: tuple[str, ...]


OPTIONS = {
    option.name: option
    for option in (
        Option("method", AUTOMATIC, (AUTOMATIC, *METHODS), "simulation method", ("local", "emulation")),
        Option(
            "readout",
            "symmetric",
            READOUTS,
            "measurement errors: as reported on average, or per outcome",
            ("emulation",),
        ),
        Option(
            "branching",
            False,
            (True, False),
            "simulate noisy shots as one until an error tells them apart: faster, but experimental in Aer",
            ("emulation",),
        ),
        Option("gpu", True, (True, False), "use a GPU where Aer offers one and it pays", ("local", "emulation")),
    )
}


def read_options(tier: str, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values in force on a tier, and a sentence for each option that has no effect there.

    Raises UnknownNameError for an option that does not exist, InvalidOptionError for a value that is not accepted, and for an option
    that would be lost on the way to a device.
    """
    values = {option.name: option.default for option in OPTIONS.values() if tier in option.tiers}
    unused = []
    for name, value in given.items():
        if name in device_options.names():
            checked = device_options.check_option(name, value)
            if tier == "qpu":
                values[name] = checked
            else:
                unused.append(f"The option {name!r} has no effect on the tier {tier}.")
            continue
        option = OPTIONS.get(name)
        if option is None:
            raise UnknownNameError.among("option", name, [*OPTIONS, *device_options.names()])
        if value not in option.accepted:
            accepted = ", ".join(str(a) for a in option.accepted)
            raise InvalidOptionError(f"The option {name!r} does not take {value!r}.", advice=f"Accepted: {accepted}.")
        if tier in option.tiers:
            values[name] = value
        else:
            unused.append(f"The option {name!r} has no effect on the tier {tier}.")
    return values, unused
