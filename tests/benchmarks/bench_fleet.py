"""A question about the fleet over 100,000 summaries, with its verdicts, beside a plain groupby of pandas over the same rows."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd

from tests.benchmarks.line import Line, seconds, take_turns

SUMMARIES = 100_000
WANTED_S = 0.3


def lines(quick: bool) -> list[Line]:
    from qhub_ext.broker.ledger import Ledger
    from qhub_ext.broker.summaries import Summaries
    from qhub_ext.diagnosis.fleet.answers import of_job, overview
    from qhub_ext.diagnosis.fleet.viewer import Viewer
    from tests.fleet.planted import END, T0, Site

    rounds = 3 if quick else 15
    rows = Site(users=60, nodes=100, kinds=8).rows(SUMMARIES, 1, lambda row: row["node"] == "n3")
    plain = pd.DataFrame(rows)
    with tempfile.TemporaryDirectory(prefix="qhub-bench-fleet-") as folder:
        ledger = Ledger(Path(folder))
        names = ", ".join(f'"{name}"' for name in rows[0])
        with ledger.transaction() as execute:
            for number, row in enumerate(rows):
                execute(f"INSERT INTO summaries (uid, {names}) VALUES (?{', ?' * len(row)})", number, *row.values())
        kept = Summaries(ledger, lambda: END)
        first = seconds(kept.fleet)
        again = Summaries(ledger, lambda: END)
        again.warm()
        warmed = seconds(again.fleet)
        viewer = Viewer("root", names=True)
        failed = next(row["job"] for row in rows if row["cause"] == "integration")
        whole, one, group = take_turns(
            lambda: seconds(lambda: overview(kept.fleet(), viewer, "device", T0, END)),
            lambda: seconds(lambda: of_job(kept.fleet(), viewer, failed, T0, END)),
            lambda: seconds(lambda: plain[plain.state != "completed"].groupby(["signature", "user"]).size().groupby("signature").agg(["sum", "size"])),
            rounds=rounds,
        )  # fmt: skip
        ledger.close()
    return [
        Line(f"the fleet by device over {SUMMARIES:,} summaries, with clusters and verdicts", whole, "pandas: groupby of the same rows by signature and user", group, at_most=WANTED_S, note="the broker's own work, without HTTP"),
        Line("one job: systemic, or only mine", one, at_most=WANTED_S),
        Line("what a broker that begins reads before it is asked: all summaries, from its ledger", first),
        Line("the first question after that", warmed, at_most=WANTED_S),
    ]  # fmt: skip
