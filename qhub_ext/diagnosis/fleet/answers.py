"""What is asked about a fleet, answered with facts and a sentence each. Whether names are shown is the asker's right (`viewer`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qhub_ext.diagnosis.fleet.table import Fleet, Runs
from qhub_ext.diagnosis.fleet.verdict import LEAST, Outstanding, Verdict, judge
from qhub_ext.diagnosis.fleet.viewer import KEYS, Viewer
from qhub_ext.errors import InvalidOptionError, UnknownNameError

DAY_S = 86400.0
SHOWN = 20
JUDGED = 5
"""Clusters, the largest first, that are judged in an overview."""
WINDOWS = 28
HIDDEN = "failures of other users"
_WORDS = {"device": "on device", "node": "on node", "version": "with", "snapshot": "under calibration", "time": "from"}


def overview(fleet: Fleet, viewer: Viewer, by: str, since: float, until: float) -> dict[str, Any]:
    """Groups, and the largest clusters of like failures with a verdict each. Raises InvalidOptionError."""
    if by not in KEYS or (by == "user" and not viewer.names):
        known = [key for key in KEYS if key != "user" or viewer.names]
        raise InvalidOptionError(f"The fleet cannot be told by {by!r}.", advice=f"By {', '.join(known)}.")
    part = fleet.between(since, until)
    people = part.frame["user"].cat.codes
    clusters = _clusters(part, viewer, until - since)
    return {
        "since": since, "until": until, "by": by, "names": viewer.names, "alone": viewer.alone, "jobs": len(part), "failed": int(part.failed.sum()),
        "users": len(np.unique(people)), "groups": _groups(part, viewer, by), "clusters": clusters,
        "over_time": _over_time(part, [one["id"] for one in clusters[:JUDGED]], since, until),
    }  # fmt: skip


def of_job(fleet: Fleet, viewer: Viewer, job: str, since: float, until: float) -> dict[str, Any]:
    """Whether what ended one job is met by others. Raises UnknownNameError for one that is not here, or not the viewer's to see."""
    rows = fleet.frame[fleet.frame["job"] == job]
    rows = rows if viewer.names else rows[rows["user"] == viewer.user]
    if not len(rows):
        raise UnknownNameError(f"Nothing is known here of a job {job!r}.", advice="A summary comes when it has ended.")
    last = rows.iloc[-1]
    told = {"job": job, "attempt": int(last["attempt"]), "state": str(last["state"]), "cause": str(last["cause"]), "signature": str(last["signature"])}  # fmt: skip
    if not last["cluster"] or last["state"] == "completed":
        return told | {"kind": "", "sentence": "It did not fail."}
    part = fleet.between(min(since, float(last["ended_at"]) - 1), max(until, float(last["ended_at"]) + 1))
    code = list(part.frame["cluster"].cat.categories).index(last["cluster"])
    verdict = _judged(part.runs(_window_s(until - since)), code)
    return told | {"kind": verdict.kind, "sentence": sentence(verdict, viewer, mine=str(last["user"]) == viewer.user), "verdict": _shown(verdict, viewer)}  # fmt: skip


def _groups(part: Fleet, viewer: Viewer, by: str) -> list[dict[str, Any]]:
    table = part.by(by)
    mine = _own_clusters(part, viewer) if by == "signature" else set()
    words = _first_of(part, "signature")
    found = []
    for key, row in table.head(SHOWN).iterrows():
        name = str(key)
        if by == "signature":
            name = words[name] if viewer.names or name in mine else HIDDEN
        found.append(
            {"key": name or "(not known)", "id": str(key), "jobs": int(row["jobs"]), "failed": int(row["failed"]), "users": int(row["users"]),
             "lost_s": round(float(row["lost_s"]), 3), "wait_p50_s": round(float(row["wait_p50_s"]), 3)}
        )  # fmt: skip
    return found


def _clusters(part: Fleet, viewer: Viewer, period_s: float) -> list[dict[str, Any]]:
    table = part.by("signature")
    if not len(table):
        return []
    mine, words = _own_clusters(part, viewer), _first_of(part, "signature")
    causes, runs = _first_of(part, "cause"), part.runs(_window_s(period_s))
    categories = list(part.frame["cluster"].cat.categories)
    found = []
    for place, (key, row) in enumerate(table.head(SHOWN).iterrows()):
        told: dict[str, Any] = {
            "id": str(key), "signature": words[str(key)] if viewer.names or key in mine else HIDDEN,
            "cause": causes[str(key)], "failed": int(row["failed"]), "users": int(row["users"]), "mine": str(key) in mine,
            "lost_s": round(float(row["lost_s"]), 3), "kind": "", "sentence": "",
        }  # fmt: skip
        if place < JUDGED:
            verdict = _judged(runs, categories.index(key))
            told |= {
                "kind": verdict.kind,
                "sentence": sentence(verdict, viewer, mine=str(key) in mine),
                "verdict": _shown(verdict, viewer),
            }
        found.append(told)
    return found


def _over_time(part: Fleet, shown: list[str], since: float, until: float) -> dict[str, Any]:
    """How often each cluster of `shown` was met in each window, and all other failures together; up to the last end."""
    ended, failed = part.frame["ended_at"].to_numpy(), part.failed
    length = _window_s(until - since)
    last = min(until, float(ended.max())) if len(ended) else since
    edges = since + length * np.arange(1 + max(1, int(np.ceil((last - since) / length + 1e-9))))
    words = part.frame["cluster"].cat
    codes = words.codes.to_numpy()
    counts, rest = {}, failed.copy()
    for key in shown:
        own = failed & (codes == words.categories.get_loc(key))
        rest &= ~own
        counts[key] = np.histogram(ended[own], edges)[0].tolist()
    return {
        "begins": edges[:-1].tolist(),
        "length_s": length,
        "clusters": counts,
        "others": np.histogram(ended[rest], edges)[0].tolist(),
    }


def _judged(runs: Runs, code: int) -> Verdict:
    return judge(runs.ends == code, runs.users, runs.places)


def _window_s(period_s: float) -> float:
    return max(3600.0, period_s / WINDOWS)


def _own_clusters(part: Fleet, viewer: Viewer) -> set[str]:
    frame = part.frame
    return set(frame["cluster"][(frame["user"] == viewer.user).to_numpy() & part.failed].astype(str))


def _first_of(part: Fleet, column: str) -> dict[str, str]:
    codes = part.frame["cluster"].cat
    known, first = np.unique(codes.codes.to_numpy(), return_index=True)
    values = part.frame[column].iloc[first].astype(str)
    return dict(zip((str(codes.categories[n]) for n in known), values, strict=True))


def _shown(verdict: Verdict, viewer: Viewer) -> Mapping[str, Any]:
    told = verdict.to_json()
    for one in told["standing_out"]:
        if one["dimension"] == "user" and not viewer.names and one["value"] != viewer.user:
            one["value"] = ""
    return told


# -- in words


def sentence(verdict: Verdict, viewer: Viewer, *, mine: bool) -> str:
    failed, users = _counted(verdict.failed, "such failure"), _counted(verdict.users, "user")
    among = f"{failed} of {users} among {_counted(verdict.runs, 'run')}"
    if verdict.kind == "too few":
        return f"Too few to say whether it is systemic: {among}; {LEAST} are needed."
    if viewer.alone:
        return f"Only your own jobs are known here, so nobody can say whether others meet it: {failed} among {_counted(verdict.runs, 'run')}."
    if verdict.everywhere is not None:
        most, ran = verdict.everywhere
        return f"Systemic: it is met everywhere. {most} of {ran} users fail so in half of their runs or more ({among}; p = {_p(verdict.p)})."
    if verdict.kind == "systemic":
        return _systemic(verdict)
    if verdict.kind == "one user":
        return _one_user(verdict, viewer, among, mine=mine)
    if verdict.standing_out:
        (one,) = verdict.standing_out
        who = "you" if mine and one.value == viewer.user else one.value if viewer.names else "one user"
        return f"No common cause is seen: {among}. It is met most by {who} ({one.failed} of {_counted(one.runs, 'run')}, p = {_p(one.p)}); no device, node, version, calibration or time stands out."  # fmt: skip
    return f"No common cause is seen: {among}, spread over devices, nodes, versions, calibrations and time as chance spreads them (least p = {_p(verdict.p)} over {verdict.compared} comparisons)."  # fmt: skip


def _systemic(verdict: Verdict) -> str:
    best, *rest = verdict.standing_out
    others = [f"{_WORDS[one.dimension]} {_value(one)}" for one in rest[:2]]
    also = f" It stands out {' and '.join(others)} as well, which may be the same thing." if others else ""
    return (
        f"Systemic: {best.failed} of {_counted(best.runs, 'run')} {_WORDS[best.dimension]} {_value(best)} failed so ({_counted(best.users, 'user')}), "
        f"elsewhere {best.failed_elsewhere} of {best.runs_elsewhere}; p = {_p(best.p)} (exact test within users, adjusted for {verdict.compared} comparisons).{also}"
    )  # fmt: skip


def _one_user(verdict: Verdict, viewer: Viewer, among: str, *, mine: bool) -> str:
    (one,) = verdict.standing_out
    whose = "yours" if mine and one.value == viewer.user else f"{one.value}'s" if viewer.names else "one other user's"
    who = f"mostly {whose}" if one.failed_elsewhere else f"{whose} alone"
    if not one.runs_elsewhere:
        return f"Too few to say whether it is systemic: only one user ran anything ({among})."
    if verdict.p is None:
        return f"So far it is {who}: {one.failed} of {_counted(one.runs, 'run')}, of all others none of {one.runs_elsewhere}; that may still be chance."
    return (
        f"Isolated: it is {who}, {one.failed} of {_counted(one.runs, 'run')}; of all others {one.failed_elsewhere} of {one.runs_elsewhere} "
        f"(Fisher's exact test, p = {_p(one.p)} adjusted for {verdict.compared} comparisons). No device, node, version, calibration or time stands out."
    )  # fmt: skip


def _value(one: Outstanding) -> str:
    return one.value[:23] if one.dimension == "snapshot" else one.value


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _p(p: float | None) -> str:
    if p is None:
        return "?"
    return f"{p:.2f}" if p >= 0.1 else f"{p:.1g}" if p > 1e-12 else "under 1e-12"
