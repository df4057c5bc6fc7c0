"""Summaries of ended attempts, from all users of the site: who it was is the broker's own knowledge, all else is the runner's word.

The table lies in the ledger, and what is asked about many is answered from columns in memory, which follow it. What is older than `kept_s` goes.
"""

from __future__ import annotations

import json
import math
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from qhub_ext.broker.ledger import Ledger
from qhub_ext.broker.slips import explain_slips
from qhub_ext.diagnosis.fleet.signature import normalise
from qhub_ext.errors import Cause
from qhub_ext.job.context import TIERS as KNOWN_TIERS

if TYPE_CHECKING:
    from qhub_ext.diagnosis.fleet.table import Fleet

DAY_S = 86400.0
PRUNED_EVERY_S = 3600.0
_FUTURE_S = 3600.0
"""A node's clock may be so far ahead; what ended later than that did not end yet."""


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a text of printable characters")
    return text


TIERS, CAUSES = frozenset(KNOWN_TIERS), frozenset(cause.value for cause in Cause)
Word = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Moment = Annotated[float, Field(ge=0, le=1e11)]
Count = Annotated[int, Field(ge=0, le=2**62)]


class SummaryBody(BaseModel):
    """`qhub.summary/1` as the broker takes it; what a newer version added is left out."""

    model_config = ConfigDict(extra="ignore")

    job: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,80}$")]
    attempt: Annotated[int, Field(ge=1, le=100_000)]
    state: Annotated[str, Field(pattern=r"^(completed|failed|timed_out|cancelled|lost)$")]
    ended_at: Moment
    array: Word = ""
    cause: Annotated[str, Field(pattern=r"^[a-z ]{0,40}$")] = ""
    signature: Word = ""
    tier: Word = ""
    site: Word = ""
    device: Word = ""
    profile: Word = ""
    qos: Word = ""
    node: Word = ""
    versions: Annotated[dict[Word, Word], Field(max_length=20)] = Field(default_factory=dict)
    snapshot: Word = ""
    submitted_at: Moment | None = None
    running_at: Moment | None = None
    tasks: Annotated[int, Field(ge=0, le=10**9)] = 0
    qpu_s: Annotated[float, Field(ge=0, le=1e9)] | None = None
    wall_ns: Count = 0
    parts_ns: Annotated[dict[Word, Count], Field(max_length=30)] = Field(default_factory=dict)


_TAKE_BACK = "DELETE FROM summaries WHERE uid = ? AND job = ? AND attempt = ? AND cause = ? RETURNING id"


class Summaries:
    def __init__(self, ledger: Ledger, clock: Callable[[], float], kept_s: float = 90 * DAY_S) -> None:
        self._ledger, self._clock, self._kept_s = ledger, clock, kept_s
        self._lock = threading.Lock()
        self._fleet: Fleet | None = None
        self._last = 0
        self._pruned_at = clock()
        self._ended: Counter[tuple[str, str, str]] = Counter()
        self._lost_s: defaultdict[tuple[str, str], float] = defaultdict(float)
        with ledger.transaction() as execute:
            for row in execute("SELECT tier, state, cause, count(*) AS n, sum(wall_ns) AS wall_ns FROM summaries GROUP BY tier, state, cause"):  # fmt: skip
                self._count(row, int(row["n"]))

    def counted(self) -> tuple[Mapping[tuple[str, str, str], int], Mapping[tuple[str, str], float]]:
        """Attempts by (tier, state, cause), and seconds of those that ended badly by (tier, cause): few, whatever clients write."""
        return self._ended, self._lost_s

    def _count(self, row: Mapping[str, Any], number: int = 1) -> None:
        tier, cause = (_known(row[name], words) for name, words in (("tier", TIERS), ("cause", CAUSES)))
        self._ended[tier, row["state"], cause] += number
        if row["state"] != "completed" and cause != Cause.USER:
            self._lost_s[tier, cause] += int(row["wall_ns"]) / 1e9

    def take(self, uid: int, user: str, records: Sequence[Any]) -> tuple[int, list[dict[str, Any]]]:
        """How many of them are new here, and those that are refused: their place among the records, and why. Sent again, nothing is counted twice;
        one whose cause was not known goes in the place of the one before it when the site has said why.
        """
        self._forget_old()
        now, taken = self._clock(), 0
        amended: set[tuple[str, int]] = set()
        refused: list[dict[str, Any]] = []
        with self._ledger.transaction() as execute:
            for place, record in enumerate(records):
                try:
                    one = SummaryBody.model_validate(record)
                except ValidationError as error:
                    first, *_ = error.errors(include_url=False)
                    told = explain_slips([{**first, "loc": ("summary", *first["loc"])}])
                    refused.append({"place": place, "why": told.message[:300]})
                    continue
                if one.ended_at > now + _FUTURE_S:
                    refused.append({"place": place, "why": "The field `ended_at` of the summary lies in the future."})
                    continue
                row = one.model_dump() | {
                    "uid": uid,
                    "user": user,
                    "received_at": now,
                    "signature": normalise(one.signature),
                    "versions": _text(one.versions),
                    "parts_ns": _text(one.parts_ns),
                }
                again = one.cause not in ("", Cause.UNKNOWN) and bool(execute(_TAKE_BACK, uid, one.job, one.attempt, Cause.UNKNOWN.value))  # fmt: skip
                if again:
                    amended.add((one.job, one.attempt))
                names = ", ".join(f'"{name}"' for name in row)
                marks = ", ".join("?" * len(row))
                is_new = bool(
                    execute(
                        f"INSERT INTO summaries ({names}) VALUES ({marks}) ON CONFLICT (uid, job, attempt) DO NOTHING RETURNING id",
                        *row.values(),
                    )
                )
                taken += is_new
                if (
                    is_new and not again
                ):  # what was counted once stays so: a counter that falls is a restart to Prometheus
                    self._count(row)
        with self._lock:
            if amended and self._fleet is not None:
                self._fleet = self._fleet.without(user, amended, Cause.UNKNOWN)
        return taken, refused

    def fleet(self) -> Fleet:
        """All that is kept, with what came since it was last asked for."""
        from qhub_ext.diagnosis.fleet.table import EMPTY, fleet_of

        with self._lock:
            known = EMPTY if self._fleet is None else self._fleet
            with self._ledger.transaction() as execute:
                rows = execute("SELECT * FROM summaries WHERE id > ? ORDER BY id", self._last)
            if rows:
                known = known.with_more(fleet_of(rows))
                self._last = int(rows[-1]["id"])
            self._fleet = known
            return known

    def warm(self) -> None:
        """Before the first question: to read 100,000 of them, and pandas, takes seconds. A site without summaries does without."""
        with self._ledger.transaction() as execute:
            kept = execute("SELECT id FROM summaries LIMIT 1")
        if kept:
            self.fleet()

    def _forget_old(self) -> None:
        now = self._clock()
        with self._lock:
            if 0 <= now - self._pruned_at < PRUNED_EVERY_S:
                return
            self._pruned_at = now
            with self._ledger.transaction() as execute:
                gone = execute("DELETE FROM summaries WHERE ended_at < ? RETURNING id", now - self._kept_s)
            if gone and self._fleet is not None:
                self._fleet = self._fleet.between(now - self._kept_s, math.inf)


def _known(word: str | None, words: frozenset[str]) -> str:
    return word if word in words else "other" if word else ""


def _text(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"))
