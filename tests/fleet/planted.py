"""A site's summaries as they would come in, with or without a fault planted in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qhub_ext.diagnosis.fleet.table import Fleet, fleet_of

T0 = 1_790_000_000.0
DAY_S = 86400.0
FAULT = "OSError: <path> is gone"

Row = dict[str, Any]
Fault = Callable[[Row], bool]


@dataclass(frozen=True)
class Site:
    """`chance` of a failure of each of a few ordinary kinds; users come in bursts, each of which stays with what it is at."""

    users: int = 12
    nodes: int = 10
    days: float = 7.0
    chance: float = 0.06
    kinds: int = 2
    burst: int = 1

    def rows(self, number: int, seed: int, fault: Fault = lambda _: False) -> list[Row]:
        rng = np.random.default_rng(seed)
        rate = self.chance * rng.dirichlet(np.ones(self.users)) * self.users
        found: list[Row] = []
        while len(found) < number:
            user, at = int(rng.integers(self.users)), T0 + rng.random() * self.days * DAY_S
            kind, device = int(rng.integers(self.kinds)), ["kingston", "fez", "marrakesh"][rng.integers(3)]
            node = int(rng.integers(self.nodes))
            for step in range(int(rng.integers(1, self.burst + 1))):
                bad = rng.random() < min(0.9, rate[user])
                row = self._row(
                    len(found),
                    user,
                    at + 700.0 * step,
                    device,
                    node,
                    f"Error: kind {'abcdefgh'[kind]}" if bad else "",
                    rng,
                )
                if fault(row):
                    row |= {"state": "failed", "cause": "integration", "signature": FAULT}
                found.append(row)
        return found

    def _row(
        self, number: int, user: int, at: float, device: str, node: int, signature: str, rng: np.random.Generator
    ) -> Row:
        half_day = int((at - T0) // (DAY_S / 2))
        return {
            "user": f"user{user}", "job": f"job{number}", "attempt": 1, "state": "failed" if signature else "completed", "cause": "code" if signature else "",
            "signature": signature, "tier": "qpu", "site": "slurm", "device": device, "profile": "development", "node": f"n{node}",
            "versions": json.dumps({"qiskit": f"2.{user % 3}.0", "qhub-ext": "0.1.0"}), "snapshot": f"sha256:{device}-{half_day}",
            "submitted_at": at - 60.0, "running_at": at - 20.0, "ended_at": at, "qpu_s": 1.0, "wall_ns": 60 * 10**9,
            "parts_ns": json.dumps({"site queue": 30 * 10**9, "broker queue": int(rng.integers(10)) * 10**9, "quantum": 10**9}),
        }  # fmt: skip

    def fleet(self, number: int, seed: int, fault: Fault = lambda _: False) -> Fleet:
        return fleet_of(self.rows(number, seed, fault))


END = T0 + 8 * DAY_S
