"""Who asks about the fleet, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass

KEYS = ("signature", "cause", "device", "node", "version", "profile", "tier", "snapshot", "user")
"""What may be counted by; `user` only for operators."""


@dataclass(frozen=True)
class Viewer:
    """`names`: an operator, who sees who it was and what others' failures said. `alone`: nobody else's jobs are known here."""

    user: str
    names: bool = False
    alone: bool = False
