"""What a decision knows of a device, and what state that is. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

AVAILABLE, DRAINING, MAINTENANCE, DOWN = "available", "draining", "maintenance", "down"


@dataclass(frozen=True)
class Lease:
    """The device belongs to one session until `until` (s since 1970 UTC). `holder` says whose it is."""

    session: str
    until: float
    holder: str = "another session"


@dataclass(frozen=True)
class DeviceFacts:
    """What is known of a device now. `window` is the calibration window that `now` lies in, or the next one; `busy_until` when it is done with what
    is there already, about; `served` whether this broker has it, which earlier tasks may name all the same; `most_shots` of one PUB it takes at a
    time, infinite where that is not known.
    """

    name: str
    window: tuple[float, float] | None = None
    down_since: float | None = None
    drained: bool = False
    lease: Lease | None = None
    busy_until: float = 0.0
    served: bool = True
    most_shots: float = math.inf

    def state(self, now: float) -> str:
        if self.down_since is not None:
            return DOWN
        if self.window is not None and self.window[0] <= now < self.window[1]:
            return MAINTENANCE
        return DRAINING if self.drained else AVAILABLE
