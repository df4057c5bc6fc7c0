"""Which profiles a job may name: those of every site, and those that this site's settings speak of."""

from __future__ import annotations

from qhub_ext.errors import UnknownNameError
from qhub_ext.settings import Settings

USUAL = ("development", "test", "production")


def check_profile(name: str, settings: Settings) -> None:
    """Raises UnknownNameError for one that would change nothing anywhere. A broker has its own word on its profiles."""
    known = {*USUAL, settings.profile, *settings.profiles, *settings.broker.profiles}
    known |= {profile for tier in settings.slurm.tiers.values() for profile in tier.qos}
    if name not in known and settings.broker.shared is None:
        raise UnknownNameError.among(
            "profile", name, sorted(known), advice="[profiles.NAME] in qhub.toml makes another one."
        )
