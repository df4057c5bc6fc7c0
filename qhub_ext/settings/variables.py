"""`QHUB_*`: which variables set what, and which set nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qhub_ext.nearest import nearest
from qhub_ext.settings.knobs import describe_settings
from qhub_ext.settings.notices import tell

OWN_VARIABLES = ("QHUB_CONFIG", "QHUB_ATTEMPT", "QHUB_FIRST_ATTEMPT", "QHUB_TIME_UP_S", "QHUB_CONTAINER_IMAGE")
"""Variables of this name that are no settings: where those lie, and what a job is told of itself."""


_OTHERS = ("QHUB_TEST_", "QHUB_CHAOS")


def from_environment(env: dict[str, str]) -> dict[tuple[str, ...], Any]:
    known: dict[str, tuple[str, ...]] = {}
    for dotted, _, _ in describe_settings():
        path = tuple(dotted.split("."))
        known["QHUB_" + "_".join(path).upper()] = path
    found: dict[tuple[str, ...], Any] = {}
    for name, value in env.items():
        if name in known:
            path = known[name]
            many = path in {("embedded", "warm_imports"), ("capture", "environment"), ("slurm", "launcher")}
            found[path] = tuple(v for v in value.split(",") if v) if many else value
    return found


def unknown_variables(env: Mapping[str, str]) -> dict[str, str]:
    """QHUB_ variables that set nothing, each with a sentence that names what may have been meant."""
    known = ["QHUB_" + dotted.replace(".", "_").upper() for dotted, _, _ in describe_settings()]
    found = {}
    for name in env:
        if not name.startswith("QHUB_") or name in known or name in OWN_VARIABLES or name.startswith(_OTHERS):
            continue
        short = {one.removeprefix("QHUB_"): one for one in (*known, "QHUB_CONFIG")}
        near = [short[one] for one in nearest(name.removeprefix("QHUB_"), short)]
        hint = f"Did you mean {near[0]}?" if near else "`qhub doctor --settings` lists what there is."
        found[name] = f"The variable {name} sets nothing: there is no such setting. {hint}"
    return found


def tell_unknown(env: Mapping[str, str]) -> None:
    """Once per process and variable."""
    for name, sentence in unknown_variables(env).items():
        tell(sentence, name)
