"""How jobs end on a real Slurm without a word of their runner, and what is said of each."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from qhub_ext.errors import Cause, SiteError
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.service import JobService
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.wrappers import REAL, Wrap
from tests.small_disk import fill, small_disk
from tests.waiting import wait_until


def test_a_job_that_another_user_cancels_names_that_user(bench: SlurmWorkshop, cluster: Cluster) -> None:
    job = bench.submit("sleep 600")
    bench.until_running(job)
    cluster.run("scancel", bench.site.find([job.id])[job.id], user="qhub-operator")
    (record,) = bench.until_final(job)
    assert record.state is State.CANCELLED
    assert "qhub-operator" in record.attempt.message
    assert record.attempt.cause == Cause.QUEUE_POLICY


def test_a_job_that_is_cancelled_at_once_did_not_end_before_it_was_asked_for(bench: SlurmWorkshop) -> None:
    """Slurm's moments are whole seconds."""
    job = bench.submit("seal completed", site_options={"begin": "now+600"})
    assert bench.site.cancel([job.id]) == []
    (record,) = bench.until_final(job)
    assert record.asked_at is not None
    assert record.attempt.ended_at is not None
    assert record.attempt.ended_at >= record.asked_at


def test_a_node_that_fails_begins_a_second_attempt_and_the_first_says_why(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    job = bench.submit('[ "$QHUB_ATTEMPT" = 2 ] || sleep 600; seal completed')
    bench.until_running(job)
    cluster.ask("scontrol", "update", "nodename=two01", "state=down", "reason=test")
    wait_until(lambda: bench.site.poll([job.id])[job.id].attempt == 2, what="the second attempt")
    cluster.ask("scontrol", "update", "nodename=two01", "state=resume")
    cluster.mend()
    (record,) = bench.until_final(job)
    assert [a.state for a in record.attempts] == [State.FAILED, State.COMPLETED]
    assert "node" in record.attempts[0].message
    assert record.attempts[0].cause == Cause.INTEGRATION


def test_preemption_begins_a_second_attempt_and_the_first_says_so(bench: SlurmWorkshop, cluster: Cluster) -> None:
    job = bench.submit('[ "$QHUB_ATTEMPT" = 2 ] || sleep 600; seal completed', cpus=2)
    bench.until_running(job)
    strong = bench.submit("sleep 1; seal completed", cpus=2, site_options={"qos": "production"})
    first, second = bench.until_final(job, strong)
    assert second.state is State.COMPLETED
    assert [a.state for a in first.attempts] == [State.CANCELLED, State.COMPLETED]
    assert first.attempts[0].cause == Cause.QUEUE_POLICY


def test_preemption_that_cancels_is_told_from_a_cancellation(bench: SlurmWorkshop) -> None:
    job = bench.submit("sleep 600", cpus=2, site_options={"qos": "test"})
    bench.until_running(job)
    strong = bench.submit("seal completed", cpus=2, site_options={"qos": "production"})
    record, _ = bench.until_final(job, strong)
    assert record.state is State.CANCELLED
    assert record.attempt.cause == Cause.QUEUE_POLICY
    assert "took its place" in record.attempt.message


def test_a_prologue_that_fails_holds_the_job_and_says_so(bench: SlurmWorkshop, cluster: Cluster) -> None:
    cluster.configuration.fail_prolog.touch()
    job = bench.submit("seal completed")
    reason = wait_until(
        lambda: (r := bench.site.explain_reason(job.id)) and "prologue" in r.sentence and r,
        what="the hold",
    )
    assert reason.audience == "site"
    assert bench.reported(job) is State.HELD
    cluster.mend()
    assert bench.site.release([job.id]) == []
    (record,) = bench.until_final(job)
    assert record.state is State.COMPLETED


def test_a_prologue_that_fails_under_a_job_that_may_not_be_queued_again_is_no_cancellation(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    cluster.configuration.fail_prolog.touch()
    job = bench.submit("seal completed", site_options={"requeue": "no"})
    (record,) = bench.until_final(job)
    cluster.mend()
    assert record.state is State.FAILED
    assert (
        record.attempt.message
        == "The site's prologue failed on two01, and Slurm took the job back before its script began."
    )
    assert record.attempt.cause == Cause.INTEGRATION
    assert "look at two01" in record.attempt.advice


def test_a_job_that_its_node_cannot_take_in_is_a_failed_launch_and_no_cancellation(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    cluster.rest()
    with small_disk(cluster.root / "spool" / "two01", 64) as disk:
        fill(disk)
        job = bench.submit("seal completed", site_options={"requeue": "no"})
        (record,) = bench.until_final(job)
    cluster.mend()
    assert record.state is State.FAILED
    assert "Slurm started it on two01 and ended it before its script began" in record.attempt.message
    assert record.attempt.cause == Cause.INTEGRATION


def test_who_cancelled_a_job_is_told_although_the_books_hear_of_it_late(
    bench: SlurmWorkshop, cluster: Cluster, wrap: Wrap
) -> None:
    site = wrap(sacct=f'[ -e "$0.open" ] && exec {REAL}/sacct "$@"; echo x >> "$0.log"; exit 0')
    assert site._slurm.commands is not None
    job = bench.submit("exec sleep 600")
    bench.until_running(job)
    cluster.run("scancel", bench.site.find([job.id])[job.id], user="qhub-operator")
    wait_until(lambda: "by whom" in told(site, job), what="the end without a name")
    assert not bench.state(job).final
    (refusal,) = site.cancel([job.id])
    assert "by whom" in refusal.why
    (site._slurm.commands / "sacct.open").touch()
    wait_until(lambda: not site.poll([job.id]) and bench.state(job).final, what="the name")
    assert "qhub-operator" in bench.record(job).attempt.message


def late_books(questions: int) -> str:
    """A sacct that hears of things so many questions later than the real one."""
    counted = 'n=$(cat "$0.n" 2>/dev/null || echo 0); echo $((n + 1)) > "$0.n"'
    return f'{counted}\n[ "$n" -lt {questions} ] || exec {REAL}/sacct "$@"'


def watched(service: JobService, job: JobFolder) -> list[JobRecord]:
    """All that whoever looks again and again is told, until the attempt that was stopped first has its end."""
    told: list[JobRecord] = []
    wait_until(lambda: told.append(service.record(job.id)) or told[-1].attempts[0].state.final, what="the end")
    return told


def test_whoever_waits_is_told_one_end_however_late_the_books_hear_of_it(
    bench: SlurmWorkshop, cluster: Cluster, wrap: Wrap
) -> None:
    """The runner of this cell seals an end that it cannot explain; the operator's name comes from the books."""
    site = wrap(sacct=late_books(3))
    service = JobService(bench.settings.model_copy(update={"slurm": site._slurm}))
    job = bench.cell("import time\nprint('here', flush=True)\ntime.sleep(600)", site="slurm", time_s=600)
    site.submit([job])
    wait_until(lambda: "here" in service.job(job.id).logs(), what="the cell")
    cluster.run("scancel", site.find([job.id])[job.id], user="qhub-operator")
    told = watched(service, job)
    assert (told[-1].state, told[-1].attempt.cause) == (State.CANCELLED, Cause.QUEUE_POLICY)
    assert "qhub-operator" in told[-1].attempt.message
    rank = [State.STARTING, State.RUNNING, State.FINISHING, State.CANCELLED]
    seen = [rank.index(record.state) for record in told]
    assert seen == sorted(seen)
    assert State.FINISHING in {record.state for record in told}, "the books were asked three times in vain"


def test_a_node_that_failed_is_not_taken_for_preemption_while_the_books_are_late(
    bench: SlurmWorkshop, cluster: Cluster, wrap: Wrap
) -> None:
    site = wrap(sacct=late_books(3))
    service = JobService(bench.settings.model_copy(update={"slurm": site._slurm}))
    job = bench.submit('[ "$QHUB_ATTEMPT" = 2 ] || sleep 600; seal completed', site="slurm")
    bench.until_running(job)
    cluster.ask("scontrol", "update", "nodename=two01", "state=down", "reason=fan")
    wait_until(lambda: service.record(job.id).attempt.number == 2, what="the second attempt")
    told = watched(service, job)
    assert (told[-1].attempts[0].state, told[-1].attempts[0].cause) == (State.FAILED, Cause.INTEGRATION)
    assert {(a.state, a.cause) for r in told for a in r.attempts[:1] if a.state.final} == {(State.FAILED, Cause.INTEGRATION)}  # fmt: skip
    cluster.mend()
    (record,) = bench.until_final(job)
    assert record.state is State.COMPLETED


def told(site: SlurmSite, job: JobFolder) -> str:
    report = site.poll([job.id]).get(job.id)
    return report.message if report is not None else ""


def test_a_folder_that_the_node_does_not_see_is_named_as_the_cause(bench: SlurmWorkshop, cluster: Cluster) -> None:
    job = bench.submit("seal completed", site_options={"begin": "now+600"})
    away = job.path.with_name("away")
    job.path.rename(away)
    cluster.ask("scontrol", "update", f"jobid={bench.site.find([job.id])[job.id]}", "starttime=now")
    base = bench.site._places.known(job.id).key  # type: ignore[attr-defined]
    wait_until(
        lambda: bench.site._poller.look([base]).rows[base].state == "FAILED",  # type: ignore[attr-defined]
        what="the failure",
    )
    away.rename(job.path)
    (record,) = bench.until_final(job)
    assert "does not see the job's folder" in record.attempt.message
    assert record.attempt.cause == Cause.INTEGRATION
    assert "shelf" in record.attempt.advice


def test_a_job_killed_for_memory_says_how_much_it_used_and_was_given(bench: SlurmWorkshop) -> None:
    """The nodes have no cgroups, so that Slurm says FAILED and 0:9 of it; its books know of the memory."""
    grow = "exec /usr/bin/python3 -c 'x = bytearray(400 << 20); import time; time.sleep(60)'"
    job = bench.submit(grow, memory_mb=64)
    (record,) = bench.until_final(job)
    assert (record.state, record.attempt.cause) == (State.FAILED, Cause.RESOURCES), record.attempt
    assert "MiB of memory on two01, was given 64 MiB, and was killed." in record.attempt.message
    assert "--memory" in record.attempt.advice


def test_the_first_look_at_a_job_that_was_put_back_tells_how_the_attempt_before_ended(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    job = bench.submit("until [ -e go ]; do sleep 0.1; done; seal completed", site="slurm")
    wait_until(lambda: job.attempt(1).launch.exists(), what="the start")
    number = bench.site.find([job.id])[job.id]
    cluster.ask("scontrol", "requeue", number)
    wait_until(lambda: "Restarts=1" in cluster.ask("scontrol", "show", "job", number), what="the second attempt")
    service = JobService(bench.settings)
    record = wait_until(
        lambda: (r := service.record(job.id)).attempts[0].state.final and r, what="the word of the books"
    )
    first, _ = record.attempts
    assert (first.state, first.cause) == (State.CANCELLED, Cause.QUEUE_POLICY), first
    assert "put the job back" in first.message
    (job.path / "go").touch()


def test_of_a_job_that_has_left_the_queue_meanwhile_nobody_is_told_that_it_waits(bench: SlurmWorkshop) -> None:
    service = JobService(bench.settings)
    job = bench.submit("seal completed", site="slurm", site_options={"begin": "now+600"})
    known = service.record(job.id)
    seen = replace(known, attempts=(replace(known.attempt, reason="BeginTime"),))
    assert "has not come yet" in service.knowledge.with_sentence(seen).attempt.reason, "as it is"
    service.apply("cancel", [job.id])
    bench.until_final(job)
    told = service.knowledge.with_sentence(seen)
    assert told.state is State.CANCELLED
    assert "has ended" not in told.attempt.reason


def test_a_dependency_that_ended_before_is_refused_with_its_end(bench: SlurmWorkshop) -> None:
    first = bench.submit("exit 1")
    bench.until_final(first)
    with pytest.raises(SiteError, match=f"{first.id}.*ended as failed"):
        bench.site.submit([bench.job("true", after=(first.id,))])
    with pytest.raises(SiteError, match="not queued at Slurm"):
        bench.site.submit([bench.job("true", after=(bench.job("true").id,))])


def test_a_requeue_while_results_are_written_keeps_both_attempts_apart(bench: SlurmWorkshop, cluster: Cluster) -> None:
    script = """for i in $(seq 200); do echo "$QHUB_ATTEMPT $i" >> attempts/$QHUB_ATTEMPT/outputs.jsonl; sleep 0.01; done
    seal completed"""
    job = bench.submit(script)
    bench.until_written(job.attempt(1).outputs)
    cluster.ask("scontrol", "requeue", bench.site.find([job.id])[job.id])
    (record,) = bench.until_final(job)
    assert record.attempt.number == 2
    assert record.state is State.COMPLETED
    assert {line.split()[0] for line in job.attempt(2).outputs.read_text().splitlines()} == {"2"}
    assert len(job.attempt(2).outputs.read_text().splitlines()) == 200


def test_slurmctld_down_while_a_job_runs_and_restarted_loses_nothing(bench: SlurmWorkshop, cluster: Cluster) -> None:
    job = bench.submit("until [ -e go ]; do sleep 0.1; done; seal completed")
    bench.until_running(job)
    cluster.stop("slurmctld")
    bench.site._poller.expire([bench.site._places.known(job.id).base])  # type: ignore[attr-defined]
    with pytest.raises(SiteError):
        bench.site.poll([job.id])
    assert bench.state(job) is not State.LOST
    (job.path / "go").touch()
    cluster.start("slurmctld")
    (record,) = bench.until_final(job)
    assert record.state is State.COMPLETED
    assert len(record.attempts) == 1


def test_a_purged_job_with_an_outcome_needs_nobody_but_its_folder(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.configured(min_job_age_s=2), slurm_workshop(tmp_path) as bench:
        job = bench.job("seal completed")
        ids = bench.site.submit([job])
        wait_until(lambda: job.attempt(1).outcome.exists(), what="the outcome")
        wait_until(
            lambda: not cluster.ask("squeue", "-h", "-t", "all", "-j", f"{ids[job.id]},{ids[job.id]}").strip(),
            within_s=150,
            what="the purge",
        )
        fresh = type(bench.site)(bench.settings)
        assert fresh.poll([job.id]) == {}
        assert bench.state(job) is State.COMPLETED
        assert time.time() - job.path.stat().st_mtime < 200


def test_a_job_that_was_held_and_cancelled_is_not_held_when_it_is_queued_again(bench: SlurmWorkshop) -> None:
    service = JobService(bench.settings)
    job = bench.submit("seal completed", site="slurm", site_options={"begin": "now+600"})
    assert service.apply("hold", [job.id]) == []
    assert service.apply("cancel", [job.id]) == []
    assert service.apply("requeue", [job.id]) == []
    record = service.record(job.id)
    assert [(a.state, a.cause) for a in record.attempts] == [(State.CANCELLED, Cause.USER), (State.QUEUED, None)], (
        record
    )


def test_a_job_is_not_queued_again_for_a_dependency_that_has_failed(bench: SlurmWorkshop) -> None:
    service = JobService(bench.settings)
    first = bench.submit("exec sleep 600", site="slurm")
    second = bench.submit("seal completed", site="slurm", after=(first.id,))
    service.apply("cancel", [first.id])
    bench.until_final(first, second)
    (refusal,) = service.apply("requeue", [second.id])
    assert f"{first.id}, which it waits for, ended as cancelled" in refusal.why
    service.apply("requeue", [first.id])
    wait_until(lambda: not service.record(first.id).state.final, what="the second attempt")
    assert service.apply("requeue", [second.id]) == []
    assert service.record(second.id).state is State.QUEUED
