"""Values that a site sets as the least for everybody."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qhub_ext.settings.layers import merge, nest, value_at
from qhub_ext.settings.notices import tell

FLOORS = (("slurm", "poll_s"),)
"""Of these a user may ask for more than the site's own file says, and not for less."""


def is_the_sites(path: Path, env: Mapping[str, str]) -> bool:
    """Whether a file speaks for everybody: it lies neither in the user's own folder nor where the user has pointed to and may write."""
    from jupyter_core.paths import jupyter_config_dir

    if path.is_relative_to(jupyter_config_dir()):
        return False
    return str(path) != env.get("QHUB_CONFIG") or not os.access(path, os.W_OK)


def note_floors(layer: Mapping[str, Any], path: Path, floors: dict[tuple[str, ...], tuple[float, Path]]) -> None:
    for name in FLOORS:
        value = value_at(layer, name)
        if value is not None and (name not in floors or value > floors[name][0]):
            floors[name] = (value, path)


def keep_floors(
    merged: dict[str, Any],
    floors: Mapping[tuple[str, ...], tuple[float, Path]],
    origin: dict[tuple[str, ...], str],
    env: Mapping[str, str],
) -> None:
    for name, (least, path) in floors.items():
        wanted = value_at(merged, name)
        if wanted is None or wanted >= least:
            continue
        dotted, source = ".".join(name), origin[name]
        merge(merged, nest(name, least), str(path), origin, ())
        if "QHUB_ATTEMPT" not in env:
            tell(
                f"{source}: {dotted} = {wanted:g} is less than this site allows; it is {least:g}, as {path} says.",
                source,
            )
