"""The parts of an explanation that no fault of the corpus shows: order, doubt, chance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.diagnosis.chance import too_few
from qhub_ext.diagnosis.evidence import Evidence
from qhub_ext.diagnosis.explain import explain
from qhub_ext.job.record import Attempt, JobRecord
from qhub_ext.job.spec import JobSpec
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.sites.slurm.reasons import explain as reason_of

SPEC = JobSpec("a-job", "a job", "emulation", "kingston", 1000.0, "me")


def ended(state: str, *, cause: str | None = None, message: str = "", **more: Any) -> Evidence:
    attempt = Attempt(state=State(state), cause=cause, message=message, running_at=1001.0, ended_at=1002.0)
    record = JobRecord(SPEC, State(state), (attempt,), submitted_at=1000.5)
    return replace(Evidence(JobFolder(Path("/jobs/a-job")), record), **more)


def raised(kind: str, text: str, **facts: Any) -> dict[str, Any]:
    return {"error": {"ename": kind, "evalue": text, "facts": {"kinds": [kind, "Exception"], **facts}}, "sealed_by": "runner"}  # fmt: skip


def expected(hits: int, shots: int, success: float) -> dict[str, Any]:
    numbers = {"hits": hits, "shots": shots, "success": success}
    return {"findings": [{"kind": "expected-outcomes", "severity": "note", "sentence": "", "numbers": numbers}]}


def test_what_nobody_knows_is_unknown_and_keeps_its_own_words() -> None:
    why = explain(
        ended("failed", cause="unknown", message="The runner was ended by SIGKILL; nothing says who sent it.")
    )
    assert why.cause == "unknown"
    assert "nothing says who sent it" in why.sentence
    assert [f.confidence.value for f in why.findings] == ["possible"] * len(why.findings)


def test_an_error_is_the_code_s_unless_something_certain_met_it() -> None:
    own = explain(ended("failed", cause="code", message="ValueError: no.", outcome=raised("ValueError", "no")))
    assert (own.cause, own.findings[0].rule) == ("code", "code")
    met = explain(ended("failed", cause="code", message="OSError.", outcome=raised("OSError", "stale file handle", errno=116)))  # fmt: skip
    assert (met.cause, met.findings[0].rule, met.again) == ("integration", "file system", True)
    said = explain(ended("failed", cause="code", message="OSError.", outcome=raised("OSError", "stale", errno=116, own=True)))  # fmt: skip
    assert said.cause == "code"


@pytest.mark.parametrize(
    ("state", "outcome"), [("failed", raised("BrokenProcessPool", "terminated abruptly")), ("timed_out", {})]
)
def test_processes_that_did_not_find_a_function_of_the_notebook_are_told(state: str, outcome: dict[str, Any]) -> None:
    line = "AttributeError: Can't get attribute 'f' on <module '__main__' (built-in)>"
    seen = ended(state, cause="resources", message="The job reached its wall time of 3600 s.", outcome=outcome)
    assert explain(seen).findings[0].rule != "not found by processes"
    why = explain(replace(seen, printed=((1, "{}"), (2, line), (3, "{}"))))
    assert (why.cause, why.findings[0].rule, why.findings[0].clues[0].where) == (
        "code",
        "not found by processes",
        "attempts/1/outputs.jsonl:2",
    )
    assert "did not find its `f`" in why.sentence
    assert ("waited for them until its wall time" in why.sentence) is (state == "timed_out")


def test_the_interrupt_of_a_cell_whose_node_failed_is_no_error_of_the_cell() -> None:
    interrupted = {**raised("KeyboardInterrupt", ""), "state": "cancelled", "cause": "unknown"}
    why = explain(ended("failed", cause="integration", message="A node that it ran on failed.", outcome=interrupted))
    assert (why.cause, why.findings[0].rule) == ("integration", "site trouble")
    own = explain(ended("failed", cause="code", message="KeyboardInterrupt.", outcome=raised("KeyboardInterrupt", "")))
    assert own.cause == "code"


def test_a_job_that_waits_for_a_silent_site_says_that_it_is_the_site_that_is_silent() -> None:
    why = explain(ended("queued", silent="squeue did not answer in 10 s."))
    assert (why.cause, why.audience, why.again) == ("integration", "site", True)
    assert "squeue did not answer" in why.sentence


@pytest.mark.parametrize(
    ("outcome", "place"),
    [({}, "journal"), ({"message": "It was asked to end."}, "journal"), ({"message": "Slurm took it."}, "attempts/1/outcome.json")],
)  # fmt: skip
def test_what_only_the_site_has_said_is_seen_in_the_journal(outcome: dict[str, Any], place: str) -> None:
    why = explain(ended("cancelled", cause="queue policy", message="Slurm took it.", outcome=outcome))
    assert [clue.where for clue in why.findings[0].clues[:1]] == [place]


@pytest.mark.parametrize(
    ("state", "said", "advice"),
    [("queued", "It waits for its next attempt. Of attempt 1: Slurm stopped it.", "by itself"), ("held", "It was put back into the queue, and is held. Of attempt 1: Slurm stopped it.", "`release`")],
)  # fmt: skip
def test_a_job_that_was_put_back_and_held_does_not_start_by_itself(state: str, said: str, advice: str) -> None:
    first = Attempt(1, State.CANCELLED, cause="queue policy", message="Slurm stopped it.")
    seen = ended("queued", waits=reason_of("job requeued in held state" if state == "held" else "BeginTime"))
    attempts = (first, Attempt(2, State(state)))
    why = explain(replace(seen, record=replace(seen.record, state=State(state), attempts=attempts)))
    assert (why.cause, why.sentence) == ("queue policy", said)
    assert advice in why.advice


@pytest.mark.parametrize("state", ["starting", "running", "finishing"])
def test_a_job_that_waits_for_nothing_says_what_it_does(state: str) -> None:
    why = explain(ended(state))
    assert (why.cause, why.sentence) == ("", f"It is {state} and waits for nothing.")


@pytest.mark.parametrize(("hits", "doubtful"), [(4000, False), (3570, False), (3200, True)])
def test_counts_far_below_what_the_calibration_promised_are_doubtful(hits: int, doubtful: bool) -> None:
    why = explain(ended("completed", tasks=[expected(hits, 4000, 0.9)]))
    assert (why.cause == "calibration") == doubtful


@given(st.integers(1, 5000), st.floats(0.01, 0.99))
def test_chance_is_a_probability_and_grows_with_the_hits(shots: int, p: float) -> None:
    found = [too_few(hits, shots, p) for hits in (0, shots // 2, shots - 1, shots)]
    assert all(0.0 <= one <= 1.0 for one in found)
    assert found == sorted(found)
    assert found[-1] == 1.0


def test_a_doubt_does_not_hide_that_the_job_completed() -> None:
    notes = ("`lock` did not come back: a lock cannot travel.",)
    seen = ended("completed")
    why = explain(replace(seen, record=replace(seen.record, notes=notes)))
    assert why.sentence.startswith("It ran to its end, but look at this: ")
    assert why.findings[0].clues[0].tab == "captured"
