"""What can be switched on to go wrong, at the door or in the machine: for practice, for tests, for a site's acceptance."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from qhub_ext.errors import InvalidOptionError

AT_THE_DOOR = ("401", "403", "404", "409", "429", "500", "503", "hang", "slow", "late", "cut")
IN_THE_MACHINE = ("paused", "offline", "null_target", "failed_job", "bad_result", "session_expired", "calibrating")


@dataclass
class Fault:
    """`where` is a part of the path that it strikes (all when empty); `times` how often, None for ever.

    `delay_s`: of slow before the request is heard, of late after it was done, before the answer. cut: the answer breaks off after its first letters.
    """

    kind: str
    where: str = ""
    times: int | None = None
    delay_s: float = 2.0
    method: str = ""


class Faults:
    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._lock = threading.Lock()

    def switch_on(self, fault: Fault) -> None:
        """Raises InvalidOptionError for a kind that does not exist."""
        if fault.kind not in (*AT_THE_DOOR, *IN_THE_MACHINE):
            known = ", ".join((*AT_THE_DOOR, *IN_THE_MACHINE))
            raise InvalidOptionError(f"There is no fault {fault.kind!r}.", advice=f"Known: {known}.")
        with self._lock:
            self._active.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._active.clear()

    def at_the_door(self, method: str, path: str) -> Fault | None:
        return self._strike(lambda f: f.kind in AT_THE_DOOR and f.where in path and f.method in ("", method))

    def strikes(self, kind: str, where: str = "") -> bool:
        return self._strike(lambda f: f.kind == kind and f.where in ("", where)) is not None

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [vars(fault).copy() for fault in self._active]

    def _strike(self, matches: Any) -> Fault | None:
        with self._lock:
            for fault in self._active:
                if matches(fault):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self._active.remove(fault)
                    return fault
        return None
