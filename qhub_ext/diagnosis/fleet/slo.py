"""What a site promises beside what it gave: waits by profile against a target, how much the devices were used, time lost by cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qhub_ext.diagnosis.fleet.table import Fleet

UNKNOWN = "not known"


def service_levels(
    fleet: Fleet, targets_s: Mapping[str, float], share: float, used_s: Mapping[str, float], since: float, until: float
) -> dict[str, Any]:
    """`targets_s` by profile: within them a `share` of the jobs is to begin, all queues together (site, broker, device). `used_s` are seconds of
    QPU by device. A profile's `met` is None where nothing of it ran, or nothing is promised. Lost is what ran and ended badly, without its waiting.
    """
    part = fleet.between(since, until)
    return {
        "since": since,
        "until": until,
        "share": share,
        "jobs": len(part),
        "profiles": _profiles(part, targets_s, share),
        "devices": [
            {"device": device, "used_s": seconds, "share": seconds / (until - since)} for device, seconds in sorted(used_s.items(), key=lambda one: -one[1])
        ],
        "lost": _lost(part),
    }  # fmt: skip


def _profiles(part: Fleet, targets_s: Mapping[str, float], share: float) -> list[dict[str, Any]]:
    frame = part.frame
    began = ~np.isnan(frame["running_at"].to_numpy())
    profile, waited = frame["profile"].astype(str).to_numpy()[began], frame["waited_ns"].to_numpy()[began] / 1e9
    found = []
    for name in dict.fromkeys([*targets_s, *sorted(set(profile))]):
        own, target = waited[profile == name], targets_s.get(name)
        within = float((own <= target).mean()) if len(own) and target is not None else None
        found.append(
            {
                "profile": name or UNKNOWN, "jobs": len(own), "target_s": target, "within": within,
                "median_s": float(np.median(own)) if len(own) else None, "p95_s": float(np.quantile(own, 0.95)) if len(own) else None,
                "met": None if within is None else within >= share,
            }
        )  # fmt: skip
    return found


def _lost(part: Fleet) -> list[dict[str, Any]]:
    table = part.by("cause")
    found = [
        {"cause": str(cause) or UNKNOWN, "seconds": float(row["lost_s"]), "jobs": int(row["failed"])}
        for cause, row in table.iterrows()
    ]
    return sorted(found, key=lambda one: -one["seconds"])
