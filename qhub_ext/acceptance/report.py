"""What a site check found: a line for each check, as plain data, JSON (`qhub.site-check/1`) and a table. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from qhub_ext.display.tables import Table
from qhub_ext.display.words import duration

SCHEMA = "qhub.site-check/1"
PASSED, FAILED, NOT_ALLOWED, UNFINISHED = "passed", "failed", "not allowed here", "not finished"
SIGNS = {PASSED: "✓ passed", FAILED: "✗ failed", NOT_ALLOWED: "– not allowed here", UNFINISHED: "… not finished"}


@dataclass(frozen=True)
class Result:
    """`job` and `site_id` are empty where nothing was sent. `took_s`: of a job, from its submission to its end."""

    name: str
    group: str
    title: str
    expected: str
    came: str
    verdict: str
    took_s: float
    job: str = ""
    site_id: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """Moments in s since 1970 UTC. `versions`: of what took part, by name; `findings` are those of `qhub doctor`."""

    site: str
    host: str
    who: str
    began_at: float
    ended_at: float
    versions: Mapping[str, str]
    results: tuple[Result, ...]
    findings: tuple[dict[str, str], ...] = field(default=())
    interrupted: bool = False

    @property
    def passed(self) -> bool:
        """Nothing failed, something was tried, and nobody broke it off."""
        verdicts = {result.verdict for result in self.results}
        return FAILED not in verdicts and PASSED in verdicts and not self.interrupted

    @property
    def sentence(self) -> str:
        counted = Counter(result.verdict for result in self.results)
        told = f"{counted[PASSED]} passed, {counted[FAILED]} failed, {counted[NOT_ALLOWED]} not allowed here"
        if self.interrupted:
            return f"The check of the site {self.site!r} was interrupted: of {len(self.results)} checks {told}, {counted[UNFINISHED]} not finished."
        return f"The site {self.site!r} {'passed' if self.passed else 'did not pass'}: of {len(self.results)} checks {told}."

    @property
    def checksum(self) -> str:
        """SHA-256 of the JSON file, as `sha256sum FILE` prints it."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "site": self.site,
            "host": self.host,
            "who": self.who,
            "began_at": moment(self.began_at),
            "ended_at": moment(self.ended_at),
            "passed": self.passed,
            "interrupted": self.interrupted,
            "versions": dict(self.versions),
            "checks": [asdict(result) | {"took_s": round(result.took_s, 3)} for result in self.results],
            "findings": list(self.findings),
        }

    def to_bytes(self) -> bytes:
        """The JSON file; the same report always gives the same bytes."""
        return (json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")

    def to_table(self) -> Table:
        rows = [
            (r.group, r.title, r.expected, r.came, duration(r.took_s), r.job.rpartition("-")[2], SIGNS[r.verdict])
            for r in self.results
        ]
        columns = ("", "check", "expected", "came", "took", "job", "verdict")
        return Table(columns, rows, [asdict(result) for result in self.results], widths={"expected": 50, "came": 90})


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
