"""Which site scheduler: by name, ours or another package's.

A package adds one with an entry point of the group `qhub_ext.sites` that is called with the settings:

    [project.entry-points."qhub_ext.sites"]
    grid_engine = "my_package:GridEngineSite"
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from qhub_ext.errors import SiteError, UnknownNameError
from qhub_ext.settings import Settings, current_settings
from qhub_ext.sites.scheduler import SiteScheduler

GROUP = "qhub_ext.sites"
BUILT_IN = {
    "embedded": "qhub_ext.sites.embedded.site:EmbeddedSite",
    "slurm": "qhub_ext.sites.slurm.site:SlurmSite",
}


def pick_site(name: str | None = None, settings: Settings | None = None) -> SiteScheduler:
    """The site of this name, default the settings'. Raises UnknownNameError, or SiteError for one that cannot be loaded."""
    settings = settings or current_settings()
    name = name or settings.site
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return cast(SiteScheduler, getattr(import_module(module), attribute)(settings))
    found = {point.name: point for point in _entry_points()}
    if name not in found:
        raise UnknownNameError.among("site", name, sorted({*BUILT_IN, *found}))
    try:
        make = cast(Callable[[Settings], object], found[name].load())
    except (ImportError, AttributeError) as error:
        raise SiteError(f"The site {name!r} of {found[name].value} cannot be loaded: {error}.") from error
    site = make(settings)
    if not isinstance(site, SiteScheduler):
        raise SiteError(f"{found[name].value} is not a site scheduler: verbs of the protocol are missing.")
    return site


def _entry_points() -> list[EntryPoint]:
    return list(entry_points(group=GROUP))
