"""Summaries of many attempts as columns, and what is counted over them: by anything, clusters of like failures, waits, lost time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import union_categoricals

from qhub_ext.diagnosis.fleet.signature import signature_id
from qhub_ext.diagnosis.fleet.verdict import Dimension, Ints

WORDS = ("user", "job", "state", "cause", "signature", "cluster", "tier", "site", "device", "profile", "node", "version", "snapshot")  # fmt: skip
NUMBERS = ("attempt", "submitted_at", "running_at", "ended_at", "qpu_s", "wall_ns", "waited_ns")
PLACES = ("device", "node", "version", "snapshot")
REPEAT_S = 600.0
Bools = NDArray[np.bool_]
WAITS = ("site queue", "broker queue", "device queue")


@dataclass(frozen=True)
class Fleet:
    """`frame` has a row per attempt; words are categories. `waited_ns` is the time in all three queues."""

    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    def with_more(self, other: Fleet) -> Fleet:
        if not len(self):
            return other
        joined = {
            name: union_categoricals([self.frame[name], other.frame[name]])
            if name in WORDS
            else np.concatenate([self.frame[name].to_numpy(), other.frame[name].to_numpy()])
            for name in (*WORDS, *NUMBERS)
        }
        return Fleet(pd.DataFrame(joined, copy=False))

    def between(self, since: float, until: float) -> Fleet:
        ended = self.frame["ended_at"].to_numpy()
        return Fleet(self.frame[(ended >= since) & (ended < until)])

    def without(self, user: str, gone: Set[tuple[str, int]], cause: str) -> Fleet:
        """All but those (job and attempt) of a user that were told better since."""
        kept = ~(self._is("user", user) & self._is("cause", cause))
        doubtful = self.frame[~kept]
        kept[~kept] = [pair not in gone for pair in zip(doubtful["job"], doubtful["attempt"], strict=True)]
        return Fleet(self.frame[kept])

    @cached_property
    def asked(self) -> Bools:
        """What somebody asked to end: neither good nor bad."""
        return self._is("state", "cancelled") & self._is("cause", "user")

    @cached_property
    def failed(self) -> Bools:
        return ~self._is("state", "completed") & ~self.asked

    def _is(self, column: str, word: str) -> Bools:
        words = self.frame[column].cat
        return np.isin(words.codes, np.flatnonzero(words.categories == word))

    def codes(self, column: str) -> Ints:
        """-1 where it is not known."""
        words = self.frame[column].cat
        return np.where(words.categories == "", -1, np.arange(len(words.categories)))[words.codes.to_numpy(np.int64)]

    def by(self, key: str) -> pd.DataFrame:
        """A row per value, most failures first: jobs (attempts), failed, users, lost_s (what ran for nothing, without its waiting), wait_p50_s. Causes and signatures are those of failures."""
        column = "cluster" if key == "signature" else key
        chosen = self.failed if key in ("signature", "cause") else np.ones(len(self), dtype=bool)
        part, failed = self.frame[chosen], self.failed[chosen]
        table = pd.DataFrame(
            {
                "key": part[column],
                "failed": failed,
                "lost_s": np.where(
                    failed, np.maximum(0.0, part["wall_ns"].to_numpy() - part["waited_ns"].to_numpy()), 0.0
                )
                / 1e9,
                "waited_s": part["waited_ns"].to_numpy() / 1e9,
            }
        )
        groups = table.groupby("key", observed=True, sort=False)
        found = groups.agg(jobs=("failed", "size"), failed=("failed", "sum"), lost_s=("lost_s", "sum"), wait_p50_s=("waited_s", "median"))  # fmt: skip
        categories = part[column].cat.categories
        people = part["user"].cat
        pairs = np.unique(part[column].cat.codes.to_numpy(np.int64) * len(people.categories) + people.codes.to_numpy())
        users = np.bincount(pairs // max(1, len(people.categories)), minlength=len(categories))
        found["users"] = pd.Series(users, index=categories).reindex(found.index).to_numpy()
        return found.sort_values(["failed", "jobs"], ascending=False, kind="stable")

    def runs(self, window_s: float) -> Runs:
        """What counts once in the tests, see `verdict`."""
        kept = ~self.asked
        ended = self.frame["ended_at"].to_numpy()[kept]
        windows, window = np.unique((ended // window_s).astype(np.int64), return_inverse=True)
        columns = {name: self.codes(name)[kept] for name in ("user", *PLACES, "cluster")}
        end = np.where(self.failed[kept], columns.pop("cluster"), -1)
        key = (ended // REPEAT_S).astype(np.uint64)
        for codes in (*columns.values(), end):
            key = key * np.uint64(0x9E3779B97F4A7C15) + (codes + 2).astype(np.uint64)
            key ^= key >> np.uint64(29)
        _, first = np.unique(key, return_index=True)
        places = [Dimension(name, columns[name][first], list(self.frame[name].cat.categories)) for name in PLACES]
        labels = [window_words(number * window_s, window_s) for number in windows.tolist()]
        people, who = np.unique(columns["user"][first], return_inverse=True)
        names = self.frame["user"].cat.categories
        users = Dimension("user", who, [str(names[n]) if n >= 0 else "" for n in people])
        return Runs(users, (*places, Dimension("time", window[first], labels)), end[first])


@dataclass(frozen=True)
class Runs:
    """`ends` has the code of the cluster of each run that failed, -1 of one that did not."""

    users: Dimension
    places: Sequence[Dimension]
    ends: Ints


def window_words(begin: float, length_s: float) -> str:
    """In UTC, as its users may sit anywhere: `27 Nov 12:00 to 18:00 UTC`."""
    first, last = (datetime.fromtimestamp(moment, UTC) for moment in (begin, begin + length_s))
    return f"{first.day} {first:%b %H:%M} to {last:%H:%M} UTC"


def fleet_of(rows: Iterable[Mapping[str, Any]]) -> Fleet:
    """Of rows as the broker keeps them: versions and parts as JSON."""
    listed = list(rows)
    versions: dict[str, str] = {}
    columns: dict[str, Any] = {
        name: [row[name] or "" for row in listed] for name in WORDS if name not in ("cluster", "version")
    }
    columns["cluster"] = [signature_id(row["cause"] or "", row["signature"] or "") for row in listed]
    for row in listed:
        if row["versions"] not in versions:
            versions[row["versions"]] = version_words(json.loads(row["versions"] or "{}"))
    columns["version"] = [versions[row["versions"]] for row in listed]
    found: dict[str, Any] = {name: pd.Categorical(values) for name, values in columns.items()}
    for name in NUMBERS:
        if name != "waited_ns":
            found[name] = np.array([np.nan if row[name] is None else row[name] for row in listed], dtype=float)
    parts = (json.loads(row["parts_ns"] or "{}") for row in listed)
    found["waited_ns"] = np.array([sum(one.get(part, 0) for part in WAITS) for one in parts], dtype=float)
    return Fleet(pd.DataFrame(found, copy=False))


def version_words(versions: Mapping[str, str]) -> str:
    """`qiskit 2.6.2, aer 0.17.1, qhub 0.1.0`."""
    short = {"qiskit": "qiskit", "qiskit-aer": "aer", "qhub-ext": "qhub"}
    return ", ".join(f"{word} {versions[name]}" for name, word in short.items() if versions.get(name))


EMPTY = fleet_of(())
