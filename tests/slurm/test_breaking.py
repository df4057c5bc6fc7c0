"""Attempts to break it: commands that hang or greet, names and folders that mean harm, very many jobs at once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.errors import SiteUnreachableError
from qhub_ext.job.identity import new_job_id
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import folder_of
from qhub_ext.service import JobService
from qhub_ext.sites.slurm.commands import _leaving, _see_off
from qhub_ext.sites.slurm.ledger import Place
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.test_exactly_once import queued
from tests.slurm.wrappers import LOGGED, Wrap, logged
from tests.waiting import wait_until


@pytest.mark.parametrize("command", ["squeue", "scancel", "scontrol"])
def test_a_request_that_hangs_ends_at_its_deadline_and_may_be_made_again(
    command: str, bench: SlurmWorkshop, wrap: Wrap
) -> None:
    job = bench.submit("sleep 600", site_options={"begin": "now+600"})
    site = wrap(timeout_s=3, **{command: '[ -e "$0.calm" ] || exec sleep 60\nexec /usr/bin/' + command + ' "$@"'})
    verb = site.hold if command == "scontrol" else site.cancel
    with pytest.raises(SiteUnreachableError, match="did not answer") as caught:
        verb([job.id])
    assert ("Nothing was done" if command == "squeue" else "may have been done") in caught.value.advice
    assert bench.reported(job) is State.QUEUED
    assert site._slurm.commands is not None
    (site._slurm.commands / f"{command}.calm").touch()
    assert verb([job.id]) == []


def test_an_sbatch_that_hangs_after_it_has_submitted_makes_no_second_job(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(timeout_s=2.0, sbatch='/usr/bin/sbatch "$@" >/dev/null\nexec sleep 60')
    job = bench.job("echo once >> ledger; seal completed")
    with site.expect(bench.record(job).spec):
        found = site.submit([job])
    assert found == {job.id: queued(cluster, job)[0]}
    bench.until_final(job)
    assert (job.path / "ledger").read_text() == "once\n"


def test_an_sbatch_that_hangs_after_its_answer_is_not_waited_for(
    bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster
) -> None:
    site = wrap(sbatch='/usr/bin/sbatch "$@"\nexec sleep 600', timeout_s=300)
    job = bench.job("seal completed")
    assert site.submit([job]) == {job.id: queued(cluster, job)[0]}
    (wrapper,) = _leaving
    assert wrapper.poll() is None, "it still hangs"
    wrapper.kill()
    wait_until(lambda: not site.poll([]) and not _see_off() and not _leaving, what="the end of the wrapper")
    bench.until_final(job)


def test_a_sacct_that_hangs_is_not_asked_by_everybody_who_looks(bench: SlurmWorkshop, wrap: Wrap) -> None:
    site = wrap(
        timeout_s=2,
        squeue="exit 0",
        scontrol="echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1",
        sacct=f"{LOGGED}\nexec sleep 60",
    )
    site._reports._endings._pause_s = (600.0, 600.0)
    job = bench.submit("exec sleep 60")
    reports = [site.poll([job.id])[job.id] for _ in range(50)]
    assert site._slurm.commands is not None
    assert len((site._slurm.commands / "sacct.log").read_text().splitlines()) == 1
    assert "accounting does not answer" in reports[-1].message
    assert not reports[-1].state.final


@pytest.mark.parametrize("greeting", ["echo 'Welcome to the cluster!'; ", "printf 'No newline, '; "])
def test_commands_that_greet_are_understood(greeting: str, bench: SlurmWorkshop, wrap: Wrap, cluster: Cluster) -> None:
    names = ("sbatch", "squeue", "sacct", "scontrol", "scancel")
    site = wrap(
        **{
            name: f'{greeting}exec /usr/bin/{name} "$@"'
            for name in names
            if "newline" not in greeting or name == "sbatch"
        }
    )
    _, elements = bench.array("sleep 600", 3)
    ids = site.submit(elements)
    assert len({key.partition("_")[0] for key in ids.values()}) == 1
    ask = [element.id for element in elements]
    site._poller.expire([key.partition("_")[0] for key in ids.values()])
    wait_until(lambda: site.poll(ask)[ask[0]].state in (State.STARTING, State.RUNNING), what="the start")
    assert len(site.poll(ask)) == 3
    assert site.cancel(ask) == []
    assert all(record.state is State.CANCELLED for record in bench.until_final(*elements))


NAMES = [
    'a b|c"<x>\n',
    "-rf --wrap=id",
    "\x1f\x1e\x00\x1b[31m",
    "$(touch /tmp/qhub-injected);`id`&&",
    "x" * 5000,
    "🙂é",
    "%j;%i",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_a_name_does_no_harm_on_its_way_through_the_service(name: str, bench: SlurmWorkshop, cluster: Cluster) -> None:
    service = JobService(bench.settings)
    options = {"begin": "now+600"}
    job = service.submit(service.draft(Request(tier="local", time_s=60, name=name, site_options=options), "pass", {}))
    (number,) = queued(cluster, job.folder)
    shown = cluster.ask("squeue", "-h", "-j", number, "-o", "%j")
    assert shown.strip().endswith(f".{job.id}")
    assert len(shown) < 100
    (entry,) = service.queue()
    assert (entry.job_id, entry.name) == (job.id, name)
    html = job._repr_mimebundle_()[0]["text/html"]
    assert "<x>" not in html
    assert "\x1b" not in str(job) + html
    wait_until(lambda: service.explain(job.id).word == "BeginTime", what="the reason")
    assert service.apply("cancel", [job.id]) == []
    wait_until(lambda: job.record.state is State.CANCELLED, what="the end")
    assert job.record.spec.name == name
    assert not Path("/tmp/qhub-injected").exists()


def test_a_shelf_in_a_folder_with_a_hostile_name_works_to_the_end(cluster: Cluster, tmp_path: Path) -> None:
    hostile = tmp_path / "a b'c\"$(touch injected)`id`;\\ \n-é"
    hostile.mkdir()
    with slurm_workshop(hostile) as bench:
        service = JobService(bench.settings)
        job = service.submit(service.draft(Request(tier="local", time_s=120), "x = 2 + 2", {}))
        assert job.wait(120).state is State.COMPLETED, str(job)
        assert job["x"] == 4
        assert not list(tmp_path.rglob("injected"))


def test_very_many_jobs_are_asked_about_in_portions(bench: SlurmWorkshop, wrap: Wrap) -> None:
    """More than one command line takes: none of them exists, and the one that does is told all the same."""
    site = wrap(**logged("squeue", "scancel"))
    real = bench.submit("sleep 600", site_options={"begin": "now+600"})
    ids = [new_job_id() for _ in range(3000)]
    shelf = Path(bench.settings.shelf)
    site._places.learn({job_id: Place(str(900_000_000 + n)) for n, job_id in enumerate(ids)})
    assert site._sender.find([], 0.0) == {}
    reports = site.poll([*ids, real.id])
    assert reports[real.id].state is State.QUEUED
    refusals = site.cancel([*ids, real.id])
    assert {r.job_id for r in refusals} == set(ids)
    assert not folder_of(shelf, ids[0]).path.exists()
    assert bench.until_final(real)[0].state is State.CANCELLED


def test_a_torn_claim_counts_as_one_and_the_job_is_asked_for_before_it_is_sent(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    sent, never = bench.submit("sleep 600"), bench.job("echo once >> ledger; seal completed")
    for journal in sent.journals.glob("site-*"):
        journal.unlink()
    never.sendings.mkdir()
    for job in (sent, never):
        job.sending(1).write_text('{"at": 17')
    site = type(bench.site)(bench.settings)
    assert site.find([sent.id, never.id]) == {sent.id: queued(cluster, sent)[0]}
    with pytest.raises(SiteUnreachableError, match="a moment ago"):
        site.submit([never])
    os.utime(never.sending(1), (time.time() - 90,) * 2)
    site.submit([never])
    bench.until_final(never)
    assert (never.path / "ledger").read_text() == "once\n"
    assert len(queued(cluster, sent)) == 1


def test_a_folder_that_cannot_be_read_troubles_no_other_job(bench: SlurmWorkshop) -> None:
    good, bad = bench.submit("sleep 600"), bench.submit("sleep 600")
    bad.spec.write_text("{")
    for journal in bad.journals.glob("site-*"):
        journal.unlink()
    site = type(bench.site)(bench.settings)
    assert set(site.poll([bad.id, good.id])) == {good.id}
    assert [entry.position is None or entry.position > 0 for entry in site.queue()] == [True, True]
    assert site.cancel([bad.id, good.id]) != []
    assert bench.until_final(good)[0].state is State.CANCELLED
