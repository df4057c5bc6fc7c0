"""Explaining a job from its folder alone: one that failed in its cell, and one of two hundred tasks that ran under two calibrations."""

from __future__ import annotations

import json
import subprocess
import sys

from qhub_ext.jobfolder.layout import JobFolder
from tests.benchmarks.bench_prompt import place_of_its_own
from tests.benchmarks.line import Line, seconds, take_turns

WANTED_S = 0.2
TASKS = 200
FAILS = "from qiskit import QuantumCircuit\n\ncounts = {}\nbest = max(counts)\n"


def with_tasks(folder: JobFolder) -> None:
    """As two hundred calls of a sampler would leave it, calibrated in the middle."""
    from qhub_ext.tiers import catalog

    attempt = folder.attempt(1)
    attempt.tasks.mkdir(exist_ok=True)
    one, other = (catalog.read_snapshot(name) for name in ("kingston", "fez"))
    lines = []
    for number in range(TASKS):
        snapshot = (one if number < TASKS // 2 else other).id
        sent = {
            "id": f"{number:032x}",
            "resource": "kingston",
            "task": f"t{number}",
            "state": "completed",
            "snapshots": [snapshot],
        }
        expected = {"kind": "expected-success", "severity": "note", "sentence": "", "numbers": {"success": 0.9}}
        task = {"id": sent["id"], "primitive": "sampler", "device": "kingston", "findings": [expected], "device_tasks": [sent], "edges": [[a, a + 1, 9] for a in range(50)], "seeds": list(range(100))}  # fmt: skip
        (attempt.tasks / f"{number + 1:04d}.json").write_text(json.dumps(task))
        for seq, state in enumerate(("sending", "queued", "running", "completed")):
            lines.append(
                json.dumps({"seq": 4 * number + seq + 1, "at": 1e9 + number, "kind": "task", **sent, "state": state})
            )
    attempt.device_journal.write_text("\n".join(lines) + "\n")


def lines(quick: bool) -> list[Line]:
    from qhub_ext.service import JobService, submit

    rounds = 5 if quick else 25
    with place_of_its_own():
        failed, many = submit(FAILS), submit("x = 1")
        failed.wait(120), many.wait(120)
        with_tasks(many.folder)
        service = JobService()
        assert service.explain(failed.id, ask=False).cause == "code"
        assert service.explain(many.id, ask=False).cause == "calibration"
        cell, tasks = take_turns(
            lambda: seconds(lambda: service.explain(failed.id, ask=False)),
            lambda: seconds(lambda: service.explain(many.id, ask=False)),
            rounds=rounds,
        )

        def command(*words: str) -> float:
            return seconds(lambda: subprocess.run([sys.executable, "-m", "qhub_ext.cli", *words], check=True, capture_output=True))  # fmt: skip

        shell, floor = take_turns(lambda: command("explain", failed.id, "--offline"), lambda: command("--version"), rounds=max(3, rounds // 3))  # fmt: skip
    return [
        Line("a job whose cell failed", cell, at_most=WANTED_S, note="from the folder alone"),
        Line(f"a job of {TASKS} tasks under two calibrations", tasks, at_most=WANTED_S, note="from the folder alone"),
        Line("`qhub explain JOB --offline`, a fresh process", shell, "`qhub --version`", floor),
    ]
