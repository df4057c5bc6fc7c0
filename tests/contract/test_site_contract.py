"""What every site scheduler does, in the same words. A new one joins in conftest.py."""

from __future__ import annotations

import time

import pytest

from qhub_ext.errors import Cause, InvalidOptionError, SiteError
from qhub_ext.job.identity import short_id
from qhub_ext.job.state import State
from qhub_ext.sites.embedded.processes import start_time
from qhub_ext.sites.scheduler import SiteScheduler
from tests.sites.workshop import Workshop
from tests.waiting import wait_until

NASTY = "a b 'c' \"d\" | e\n<b>f</b> $(touch /tmp/qhub-injected) `id` \\ ; é 🙂"


def test_it_speaks_the_protocol(shop: Workshop) -> None:
    assert isinstance(shop.site, SiteScheduler)
    assert shop.site.name


def test_a_job_that_seals_its_outcome_completes_and_leaves_the_queue(shop: Workshop) -> None:
    job = shop.job("echo started; seal completed")
    assert set(shop.site.submit([job])) == {job.id}
    (record,) = shop.until_final(job)
    assert record.state is State.COMPLETED
    assert "started" in job.attempt(1).console.read_text()
    assert shop.site.poll([job.id]) == {}
    assert all(entry.job_id != job.id for entry in shop.site.queue())


def test_the_site_tells_the_journal_when_it_queued_and_started_a_job(shop: Workshop) -> None:
    job = shop.submit("seal completed")
    (record,) = shop.until_final(job)
    assert record.site_id
    assert record.submitted_at is not None
    assert record.attempt.queued_at is not None
    assert record.attempt.started_at is not None
    assert record.attempt.queued_at <= record.attempt.started_at


def test_a_job_whose_script_fails_without_an_outcome_is_failed_with_its_exit_code_and_last_words(
    shop: Workshop,
) -> None:
    job = shop.submit("echo 'no such thing: qubits'; exit 3")
    (record,) = shop.until_final(job)
    assert record.state is State.FAILED
    assert record.attempt.cause is not None
    assert "exit code 3" in record.attempt.message
    assert "no such thing: qubits" in record.attempt.message


def test_a_runner_that_dies_by_a_signal_is_failed_and_the_signal_is_named(shop: Workshop) -> None:
    job = shop.submit("kill -SEGV $$")
    (record,) = shop.until_final(job)
    assert record.state is State.FAILED
    assert "SIGSEGV" in record.attempt.message


def test_a_job_that_is_submitted_twice_runs_once(shop: Workshop) -> None:
    job = shop.job("echo once >> ledger; seal completed")
    first = shop.site.submit([job])
    assert shop.site.submit([job]) == first
    shop.until_final(job)
    assert shop.site.submit([job]) == first
    after = shop.submit("seal completed")
    shop.until_final(after)
    assert (job.path / "ledger").read_text() == "once\n"
    assert job.attempt_numbers() == [1]


def test_find_knows_what_was_submitted_and_nothing_else(shop: Workshop) -> None:
    known, unknown = shop.job("seal completed"), shop.job("seal completed")
    assert shop.site.find([known.id]) == {}
    ids = shop.site.submit([known])
    assert shop.site.find([known.id, unknown.id]) == ids
    shop.until_final(known)
    assert shop.site.find([known.id, unknown.id]) == ids


def test_poll_knows_a_job_from_the_moment_it_is_submitted(narrow: Workshop) -> None:
    blocker = narrow.submit("sleep 600")
    waiting = narrow.submit("seal completed")
    reports = narrow.site.poll([blocker.id, waiting.id])
    assert set(reports) == {blocker.id, waiting.id}
    assert reports[waiting.id].state is State.QUEUED
    assert reports[waiting.id].attempt == 1
    assert abs(reports[waiting.id].as_of - time.time()) < 60


def test_the_attempt_number_reaches_the_script(shop: Workshop) -> None:
    job = shop.submit('echo "$QHUB_ATTEMPT"; seal completed')
    shop.until_final(job)
    assert job.attempt(1).console.read_text().strip() == "1"


def test_jobs_start_in_the_order_of_their_submission(narrow: Workshop) -> None:
    jobs = [narrow.job(f"echo {n} >> ../order; seal completed") for n in range(5)]
    narrow.site.submit(jobs)
    narrow.until_final(*jobs)
    assert (jobs[0].path.parent / "order").read_text().split() == ["0", "1", "2", "3", "4"]


def test_no_more_cpus_are_used_than_there_are(shop: Workshop) -> None:
    script = "echo + >> ../count; sleep 0.2; echo - >> ../count; seal completed"
    jobs = [shop.job(script) for _ in range(6)]
    shop.site.submit(jobs)
    shop.until_final(*jobs)
    running, most = 0, 0
    for word in (jobs[0].path.parent / "count").read_text().split():
        running += 1 if word == "+" else -1
        most = max(most, running)
    assert most <= 2


def test_a_wide_job_is_not_starved_by_narrow_ones(shop: Workshop) -> None:
    first = shop.submit("sleep 0.5; seal completed")
    wide = shop.submit("echo wide >> ../order; seal completed", cpus=2)
    late = shop.submit("echo late >> ../order; seal completed")
    shop.until_final(first, wide, late)
    assert (first.path.parent / "order").read_text().split() == ["wide", "late"]


def test_a_job_with_more_cpus_than_the_site_has_is_refused_and_nothing_is_queued(shop: Workshop) -> None:
    small, large = shop.job("seal completed"), shop.job("seal completed", cpus=64)
    with pytest.raises((SiteError, InvalidOptionError), match="64 CPUs"):
        shop.site.submit([small, large])
    assert shop.site.poll([small.id, large.id]) == {}
    assert shop.site.queue() == []


def test_the_wall_time_ends_a_job_and_its_outcome_says_so(shop: Workshop) -> None:
    job = shop.submit("sleep 600", time_s=1)
    (record,) = shop.until_final(job)
    assert record.state is State.TIMED_OUT
    assert record.attempt.cause == Cause.RESOURCES


def test_a_runner_reads_why_it_is_stopped_before_the_term_arrives(shop: Workshop) -> None:
    job = shop.submit(
        """trap 'grep -o "\\"why\\":\\"[a-z]*\\"" journal/site.jsonl > why; seal cancelled; exit 0' TERM
        touch listening; while :; do sleep 0.05; done""",
        grace_s=60,
    )
    wait_until(lambda: (job.path / "listening").exists(), what="the trap")
    shop.site.cancel([job.id])
    (record,) = shop.until_final(job)
    assert (job.path / "why").read_text().strip() == '"why":"cancel"'
    assert record.state is State.CANCELLED


def test_a_job_that_ignores_the_term_is_killed_after_its_grace_with_all_of_its_processes(shop: Workshop) -> None:
    job = shop.submit(
        "trap '' TERM; (trap '' TERM; sleep 61) & echo $! > child; while :; do sleep 0.1; done", grace_s=1
    )
    shop.until_running(job)
    child = int(shop.until_written(job.path / "child"))
    assert shop.site.cancel([job.id]) == []
    (record,) = shop.until_final(job)
    assert record.state is State.CANCELLED
    wait_until(lambda: start_time(child) is None, what="the end of the child")


def test_processes_that_a_script_leaves_behind_are_ended(shop: Workshop) -> None:
    job = shop.submit("sleep 62 & echo $! > child; seal completed")
    shop.until_final(job)
    child = int((job.path / "child").read_text())
    wait_until(lambda: start_time(child) is None, what="the end of the child")


def test_cancelling_a_waiting_job_ends_it_and_it_never_runs(narrow: Workshop) -> None:
    blocker = narrow.submit("sleep 600")
    narrow.until_running(blocker)
    waiting = narrow.submit("touch ran; seal completed")
    assert narrow.site.cancel([waiting.id]) == []
    (record,) = narrow.until_final(waiting)
    assert record.state is State.CANCELLED
    assert record.attempt.cause == Cause.USER
    narrow.site.cancel([blocker.id])
    narrow.until_final(blocker)
    assert not (waiting.path / "ran").exists()


def test_cancelling_what_has_ended_or_is_unknown_is_refused_with_the_reason(shop: Workshop) -> None:
    done = shop.submit("seal completed")
    shop.until_final(done)
    unknown = shop.job("true")
    refusals = {refusal.job_id: refusal.why for refusal in shop.site.cancel([done.id, unknown.id])}
    assert "completed" in refusals[done.id]
    assert "does not know" in refusals[unknown.id]


def test_a_held_job_waits_until_it_is_released(narrow: Workshop) -> None:
    blocker = narrow.submit("sleep 600")
    narrow.until_running(blocker)
    job = narrow.submit("seal completed")
    assert narrow.site.hold([job.id]) == []
    wait_until(lambda: narrow.reported(job) is State.HELD, what="the hold")
    assert narrow.state(job) is State.HELD
    narrow.site.cancel([blocker.id])
    other = narrow.submit("seal completed")
    narrow.until_final(blocker, other)  # it was passed by
    assert narrow.reported(job) is State.HELD
    assert narrow.site.release([job.id]) == []
    (record,) = narrow.until_final(job)
    assert record.state is State.COMPLETED


def test_a_running_job_cannot_be_held_and_one_that_is_not_held_cannot_be_released(shop: Workshop) -> None:
    job = shop.submit("sleep 600")
    shop.until_running(job)
    assert "started" in shop.site.hold([job.id])[0].why
    assert shop.site.release([job.id])[0].job_id == job.id
    assert shop.reported(job) is State.RUNNING


def test_requeueing_a_running_job_stops_it_and_begins_a_second_attempt(shop: Workshop) -> None:
    job = shop.submit('if [ "$QHUB_ATTEMPT" = 1 ]; then sleep 600; fi; seal completed')
    shop.until_running(job)
    assert shop.site.requeue([job.id]) == []
    wait_until(lambda: job.attempt_numbers() == [1, 2], what="the second attempt")
    (record,) = shop.until_final(job)
    assert [attempt.number for attempt in record.attempts] == [1, 2]
    assert record.state is State.COMPLETED


def test_requeueing_an_ended_job_begins_a_new_attempt_and_indexes_notice(shop: Workshop) -> None:
    job = shop.submit('echo "$QHUB_ATTEMPT" >> ledger; seal completed')
    shop.until_final(job)
    before = job.path.stat().st_mtime_ns
    assert shop.site.requeue([job.id]) == []
    wait_until(lambda: job.attempt(2).outcome.exists(), what="the second attempt")
    shop.until_final(job)
    assert (job.path / "ledger").read_text().split() == ["1", "2"]
    assert job.path.stat().st_mtime_ns > before


def test_requeueing_a_waiting_job_is_refused(narrow: Workshop) -> None:
    blocker = narrow.submit("sleep 600")
    narrow.until_running(blocker)
    job = narrow.submit("true")
    assert "waiting" in narrow.site.requeue([job.id])[0].why


def test_a_job_waits_for_those_it_depends_on(shop: Workshop) -> None:
    first = shop.job("sleep 0.4; echo first >> ../order; seal completed")
    second = shop.job("echo second >> ../order; seal completed", after=(first.id,))
    shop.site.submit([second])
    reason = shop.site.explain_reason(second.id)
    assert reason.word in ("Dependency", "")
    shop.site.submit([first])
    shop.until_final(first, second)
    assert (first.path.parent / "order").read_text().split() == ["first", "second"]


def test_a_job_whose_dependency_fails_is_cancelled_by_policy_and_names_it(shop: Workshop) -> None:
    first = shop.job("exit 1")
    second = shop.job("touch ran; seal completed", after=(first.id,))
    shop.site.submit([first, second])
    _, record = shop.until_final(first, second)
    assert record.state is State.CANCELLED
    assert record.attempt.cause == Cause.QUEUE_POLICY
    assert short_id(first.id) in record.attempt.message
    assert "never satisfied" in record.attempt.message
    assert not (second.path / "ran").exists()


def test_a_job_may_depend_on_all_elements_of_an_array(shop: Workshop) -> None:
    array, elements = shop.array("sleep 0.1; echo element >> ../../../order; seal completed", 4)
    last = shop.job("echo last >> ../order; seal completed", after=(array.id,))
    shop.site.submit([*elements, last])
    shop.until_final(*elements, last)
    assert (last.path.parent / "order").read_text().split() == ["element"] * 4 + ["last"]


def test_an_array_is_one_submission_and_each_element_is_a_job(shop: Workshop) -> None:
    _, elements = shop.array("pwd; seal completed", 20)
    ids = shop.site.submit(elements)
    assert set(ids) == {element.id for element in elements}
    records = shop.until_final(*elements)
    assert {record.state for record in records} == {State.COMPLETED}
    assert elements[7].attempt(1).console.read_text().strip() == str(elements[7].path)


def test_cancelling_an_array_cancels_its_elements(narrow: Workshop) -> None:
    array, elements = narrow.array("sleep 600", 5)
    narrow.site.submit(elements)
    narrow.until_running(elements[0])
    assert narrow.site.cancel([array.id]) == []
    records = narrow.until_final(*elements)
    assert {record.state for record in records} == {State.CANCELLED}


def test_the_queue_lists_those_that_run_and_numbers_those_that_wait(narrow: Workshop) -> None:
    jobs = [narrow.submit("sleep 600", name=f"job {n}") for n in range(3)]
    narrow.until_running(jobs[0])
    wait_until(lambda: len(narrow.site.queue()) == 3, what="three entries")
    entries = narrow.site.queue()
    assert [entry.job_id for entry in entries] == [job.id for job in jobs]
    assert [entry.position for entry in entries] == [None, 1, 2]
    assert [entry.name for entry in entries] == ["job 0", "job 1", "job 2"]
    assert [entry.state for entry in entries] == [State.RUNNING, State.QUEUED, State.QUEUED]
    assert entries[0].tier == "local"
    assert entries[0].device == "kingston"


def test_a_waiting_job_has_a_reason_and_an_estimate(narrow: Workshop) -> None:
    blocker = narrow.submit("sleep 600", time_s=100)
    narrow.until_running(blocker)
    second, third = narrow.submit("true", time_s=50), narrow.submit("true")
    wait_until(lambda: narrow.site.poll([third.id])[third.id].reason == "Priority", what="the third job's reason")
    assert narrow.site.poll([second.id])[second.id].reason == "Resources"
    assert "1 of 1 CPUs" in narrow.site.explain_reason(second.id).sentence
    assert "1 job is ahead" in narrow.site.explain_reason(third.id).sentence
    estimate = narrow.site.estimate(third.id)
    now = time.time()
    assert estimate.earliest is not None
    assert estimate.latest is not None
    assert now - 60 < estimate.earliest <= estimate.latest
    assert now + 80 < estimate.latest < now + 200


def test_a_held_job_has_no_estimate_and_says_why(narrow: Workshop) -> None:
    blocker = narrow.submit("sleep 600")
    narrow.until_running(blocker)
    job = narrow.submit("true")
    narrow.site.hold([job.id])
    wait_until(lambda: narrow.reported(job) is State.HELD, what="the hold")
    estimate = narrow.site.estimate(job.id)
    assert (estimate.earliest, estimate.latest) == (None, None)
    assert "held" in estimate.why
    assert narrow.site.explain_reason(job.id).word == "JobHeldUser"


def test_a_nasty_name_is_harmless_everywhere(shop: Workshop) -> None:
    job = shop.submit("sleep 600", name=NASTY)
    shop.until_running(job)
    (entry,) = shop.site.queue()
    assert entry.name == NASTY
    assert shop.site.explain_reason(job.id).sentence
    assert shop.site.requeue([job.id]) == []
    wait_until(lambda: job.attempt(2).console.exists(), what="the second attempt")
    assert shop.site.cancel([job.id]) == []
    (record,) = shop.until_final(job)
    assert record.spec.name == NASTY
    assert NASTY not in shop.site.render_script(job)


def test_a_folder_that_another_user_may_write_to_is_refused(shop: Workshop) -> None:
    job = shop.job("seal completed")
    job.path.chmod(0o777)
    with pytest.raises(SiteError, match="written to by others"):
        shop.site.submit([job])


def test_a_folder_that_is_not_there_is_refused_with_its_path(shop: Workshop) -> None:
    job = shop.job("seal completed")
    job.path.rename(job.path.with_name("elsewhere"))
    with pytest.raises(SiteError, match=job.id):
        shop.site.submit([job])


def test_a_folder_that_vanishes_while_it_waits_troubles_nobody_else(narrow: Workshop) -> None:
    blocker = narrow.submit("sleep 600")
    narrow.until_running(blocker)
    gone, next_one = narrow.job("seal completed"), narrow.job("seal completed")
    narrow.site.submit([gone, next_one])
    wait_until(lambda: narrow.reported(next_one) is State.QUEUED, what="the queue")
    gone.path.rename(gone.path.with_name("elsewhere"))
    narrow.site.cancel([blocker.id])
    (record,) = narrow.until_final(next_one)
    assert record.state is State.COMPLETED
    wait_until(lambda: narrow.site.poll([gone.id]) == {}, what="the site to forget the folder")
    assert not gone.path.exists()


def test_the_script_is_rendered_from_the_folder_and_never_from_the_name(shop: Workshop) -> None:
    job = shop.job("true", name="'; rm -rf /; '")
    text = shop.site.render_script(job)
    assert text.splitlines()[0] == "#!/bin/bash"
    assert text.splitlines()[-1].startswith("exec ")
    assert text.splitlines()[-1].endswith(f"-m qhub_ext.runner {job.path}")
    assert "rm -rf" not in text


def test_the_doctor_finds_a_healthy_site_healthy(shop: Workshop) -> None:
    shop.until_final(shop.submit("seal completed"))
    findings = shop.site.doctor()
    assert findings
    assert {finding.level for finding in findings} <= {"ok", "warning"}
