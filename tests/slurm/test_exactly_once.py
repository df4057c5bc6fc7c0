"""Whatever happens between sbatch and its answer: the job runs once."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from qhub_ext.errors import SiteError, SiteUnreachableError
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.sites.slurm.commands import Commands
from qhub_ext.sites.slurm.site import SlurmSite
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.wrappers import REAL, Wrap
from tests.waiting import wait_until


@contextmanager
def frozen(cluster: Cluster, name: str) -> Iterator[None]:
    cluster.freeze(name)
    try:
        yield
    finally:
        cluster.thaw(name)


def let_a_minute_go_by(job: JobFolder) -> None:
    for claim in job.sendings.iterdir():
        record = json.loads(claim.read_text())
        claim.write_text(json.dumps({**record, "at": record["at"] - 90}))


def queued(cluster: Cluster, job: JobFolder) -> list[str]:
    """Slurm's ids of all jobs that carry this one's id, in any state."""
    lines = cluster.ask("squeue", "-h", "-t", "all", "-o", "%A %j").splitlines()
    return [line.split()[0] for line in lines if line.endswith(job.id)]


def test_an_answer_that_is_lost_after_the_job_was_accepted_makes_no_second_one(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(
        sbatch=f'{REAL}/sbatch "$@" >/dev/null; echo "sbatch: error: Socket timed out on send/recv" >&2; exit 1'
    )
    job = bench.job("echo once >> ledger; seal completed")
    ids = site.submit([job])
    assert queued(cluster, job) == [ids[job.id]]
    bench.until_final(job)
    assert (job.path / "ledger").read_text() == "once\n"


def test_rubbish_instead_of_an_id_is_not_believed_and_the_job_is_found_by_its_name(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(sbatch=f'{REAL}/sbatch "$@" >/dev/null; echo "Welcome to the cluster!"')
    job = bench.job("seal completed")
    assert site.submit([job]) == {job.id: queued(cluster, job)[0]}


def test_a_client_that_dies_between_sbatch_and_its_note_finds_the_job_again(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qhub_ext.sites.slurm import ledger

    job = bench.job("sleep 600")
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "write_place", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            wrap().submit([job])
    other = wrap()
    assert other.find([job.id]) == {job.id: queued(cluster, job)[0]}
    assert other.submit([job]) == other.find([job.id])
    assert len(queued(cluster, job)) == 1


def test_sbatch_killed_at_random_moments_loses_nothing_and_doubles_nothing(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    body = f"""
    [ -e "$0.calm" ] && exec {REAL}/sbatch "$@"
    {REAL}/sbatch "$@" <&0 & sleep "$(cat "$0.delay")"; kill -KILL $! 2>/dev/null; wait $!; kill -KILL $$"""
    sites = [wrap(sbatch=body, settle_s=0.3, place=f"bin{n}") for n in range(4)]  # four users at the same time
    with ThreadPoolExecutor(4) as threads:
        parts = list(threads.map(lambda n: submit_to_a_killer(bench, sites[n], random.Random(n)), range(4)))
    jobs = [job for part, _ in parts for job in part]
    numbers = [len(queued(cluster, job)) for job in jobs]
    assert numbers == [1] * 100, f"{[again for _, again in parts]} were sent again"
    wait_until(lambda: all((job.path / "ledger").exists() for job in jobs), what="all jobs")
    assert {(job.path / "ledger").read_text() for job in jobs} == {"once\n"}


def submit_to_a_killer(bench: SlurmWorkshop, site: SlurmSite, dice: random.Random) -> tuple[list[JobFolder], int]:
    """25 jobs, and how many of them had to be sent again."""
    folder = site._settings.slurm.commands
    assert folder is not None
    jobs, again = [], 0
    for _ in range(25):
        (folder / "sbatch.delay").write_text(f"{dice.uniform(0.0, 0.025):.4f}")
        job = bench.job("echo once >> ledger; seal completed", time_s=60)
        jobs.append(job)
        try:
            site.submit([job])
        except SiteUnreachableError:
            again += 1
            (folder / "sbatch.calm").touch()
            let_a_minute_go_by(job)
            site.submit([job])
            (folder / "sbatch.calm").unlink()
    return jobs, again


def test_a_job_that_is_queued_twice_all_the_same_runs_once(bench: SlurmWorkshop, cluster: Cluster) -> None:
    job = bench.submit("echo once >> ledger; sleep 0.5; seal completed")
    second = cluster.run("sbatch", "--parsable", "-p", "wide", "-o", "/dev/null", str(job.script)).stdout.strip()
    first = bench.site.find([job.id])[job.id]
    bench.until_final(job)

    def refused() -> bool:  # Slurm may start either of them first
        return "FAILED" in cluster.ask("squeue", "-h", "-t", "all", "-j", f"{first},{second}", "-o", "%T")

    wait_until(refused, within_s=120, what="the end of the one that came late")
    assert (job.path / "ledger").read_text() == "once\n"
    assert job.attempt_numbers() == [1]


def test_slurmctld_down_at_submission_queues_nothing_and_the_next_try_sends_once(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(timeout_s=20)
    job = bench.job("echo once >> ledger; seal completed")
    cluster.stop("slurmctld")
    with pytest.raises(SiteUnreachableError, match="did not answer"):
        site.submit([job])
    cluster.start("slurmctld")
    with pytest.raises(SiteUnreachableError, match="a moment ago"):
        site.submit([job])  # Slurm might still take it in
    let_a_minute_go_by(job)
    site.submit([job])
    bench.until_final(job)
    assert len(queued(cluster, job)) == 1
    assert (job.path / "ledger").read_text() == "once\n"


def test_a_hung_slurmctld_that_accepts_the_job_later_is_asked_before_anything_is_sent_again(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(timeout_s=3)
    job = bench.job("echo once >> ledger; seal completed")
    with frozen(cluster, "slurmctld"), pytest.raises(SiteUnreachableError):
        site.submit([job])

    def sent_again() -> dict[str, str]:
        try:
            return site.submit([job])
        except SiteUnreachableError:  # Slurm might still take in what it was sent
            return {}

    ids = wait_until(sent_again, within_s=180, what="an answer", every_s=0.2)
    assert queued(cluster, job) == [ids[job.id]]
    (record,) = bench.until_final(job)
    assert record.state is State.COMPLETED
    assert (job.path / "ledger").read_text() == "once\n"


def test_munge_down_is_told_as_no_answer_and_nothing_is_queued(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(timeout_s=15)
    job = bench.job("seal completed")
    cluster.stop("munged")
    with pytest.raises(SiteUnreachableError, match=r"(?i)munge|authentication|did not answer"):
        site.submit([job])
    cluster.start("munged")
    assert queued(cluster, job) == []


def test_slurmdbd_down_changes_nothing_for_submitting_and_ending(bench: SlurmWorkshop, cluster: Cluster) -> None:
    cluster.stop("slurmdbd")
    good, bad = bench.job("seal completed"), bench.job("echo 'no such thing'; exit 3")
    bench.site.submit([good, bad])
    done, failed = bench.until_final(good, bad)
    assert done.state is State.COMPLETED
    assert failed.state is State.FAILED
    assert "exit code 3" in failed.attempt.message


def test_a_slurmdbd_that_hangs_costs_a_failed_job_one_deadline_and_not_its_exit_code(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with slurm_workshop(tmp_path, timeout_s=2) as bench:
        job = bench.submit("exit 3")
        cluster.freeze("slurmdbd")
        (record,) = bench.until_final(job)
        assert "exit code 3" in record.attempt.message
        ran: list[str] = []
        start = Commands.start
        with monkeypatch.context() as patch:
            patch.setattr(
                Commands,
                "start",
                lambda self, name, *words, **more: ran.append(name) or start(self, name, *words, **more),
            )
            assert bench.site.poll([job.id]) == {}
        assert "sacct" not in ran, "what has ended is asked about no more"


@pytest.mark.parametrize(
    "body", ["exec sleep 60", "echo '<html>502 Bad Gateway</html>'", "echo x; exit 1", "kill -SEGV $$"]
)
def test_a_squeue_that_hangs_or_lies_is_no_answer_and_the_last_knowledge_keeps_its_age(
    bench: SlurmWorkshop, wrap: Wrap, body: str
) -> None:
    job = bench.submit("sleep 600")
    site = wrap(timeout_s=3, squeue=f'[ -e "$0.broken" ] || exec {REAL}/squeue "$@"\n{body}')
    wait_until(lambda: site.poll([job.id])[job.id].state is State.RUNNING, what="the start")
    known = site.poll([job.id])[job.id].as_of
    assert site._slurm.commands is not None
    (site._slurm.commands / "squeue.broken").touch()
    site._poller.expire([site._places.known(job.id).base])
    with pytest.raises(SiteUnreachableError) as caught:
        site.poll([job.id])
    assert caught.value.known_at is not None
    assert abs(caught.value.known_at - known) < 5
    (site._slurm.commands / "squeue.broken").unlink()
    wait_until(lambda: reports(site, job), what="squeue again")


def reports(site: SlurmSite, job: JobFolder) -> bool:
    try:
        return job.id in site.poll([job.id])
    except SiteError:
        return False


def test_a_job_that_slurm_has_purged_and_accounting_cannot_tell_is_not_called_lost_without_saying_so(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    job = bench.submit("exit 1")
    wait_until(
        lambda: (
            "FAILED" in cluster.ask("squeue", "-h", "-t", "all", "-j", bench.site.find([job.id])[job.id], "-o", "%T")
        ),
        what="its end",
    )
    site = wrap(
        squeue="exit 0",
        scontrol="echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
        sacct="echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1",
    )
    report = site.poll([job.id])[job.id]
    assert not report.state.final
    assert "accounting does not answer" in report.message
    assert not bench.state(job).final
    # the books are open again
    again = wrap(squeue="exit 0", scontrol="echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    wait_until(lambda: again.poll([job.id]) == {} and bench.state(job).final, what="the verdict of sacct")
    assert bench.state(job) is State.FAILED


def test_a_full_spool_is_told_in_slurms_own_words(bench: SlurmWorkshop, wrap: Wrap) -> None:
    site = wrap(
        sbatch="echo 'sbatch: error: Batch job submission failed: Slurm temporarily unable to accept job, sleeping and retrying' >&2; exit 1",
        settle_s=0.2,
    )
    job = bench.job("true")
    with pytest.raises(SiteUnreachableError, match="temporarily unable"):
        site.submit([job])
    assert os.listdir(job.sendings) == ["1.json"]
