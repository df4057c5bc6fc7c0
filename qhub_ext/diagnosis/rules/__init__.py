"""Why a job is as it is: small functions over `Evidence`, each of which finds one thing or nothing. Asked in this order; of equal confidence, the first is told first.

waits    a job that waits: the site's reason, the broker's, the device's
device   a device, its service, its broker, its calibration
code     the cell's own error, or what met it: packages, memory, disk, network
ends     an end from outside: time, cancellation, preemption, a node, the scheduler
doubts   a job that completed, and whose results are doubtful
"""

from __future__ import annotations

from collections.abc import Callable

from qhub_ext.diagnosis.evidence import Evidence, Finding
from qhub_ext.diagnosis.rules import code, device, doubts, ends, waits

Rule = Callable[[Evidence], Finding | None]

WAITING: tuple[Rule, ...] = waits.RULES
RUNNING: tuple[Rule, ...] = waits.RUNNING
ENDED: tuple[Rule, ...] = (*device.RULES, *code.RULES, *ends.RULES)
COMPLETED: tuple[Rule, ...] = doubts.RULES
