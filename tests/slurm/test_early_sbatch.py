"""sbatch is started while the job's folder is still being written: it gets its script after the claim, or nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qhub_ext.capture.command import Request
from qhub_ext.errors import CaptureError, QhubError
from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_spec
from qhub_ext.service import JobService
from qhub_ext.service.tracing import SubmissionRecord
from qhub_ext.sites.slurm import ledger
from qhub_ext.sites.slurm.commands import Commands, Running
from qhub_ext.sites.slurm.site import SlurmSite
from qhub_ext.sites.slurm.submission import Sender
from qhub_ext.telemetry.otlp import decode
from tests.sites.workshop import SEAL
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, slurm_workshop
from tests.slurm.test_exactly_once import let_a_minute_go_by, queued
from tests.slurm.wrappers import REAL, wrappers
from tests.waiting import wait_until

ROUNDS = 40


def commands_about(*job_ids: str) -> list[str]:
    """What runs on this machine with one of these ids in its arguments."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                line = Path(f"/proc/{name}/cmdline").read_text(errors="replace").replace("\0", " ")
            except OSError:
                continue
            if any(job_id in line for job_id in job_ids):
                found.append(line)
    return found


@pytest.mark.parametrize("script", ["", "\n", " \n\t\n"])
def test_an_sbatch_whose_stdin_ends_without_a_script_submits_nothing(cluster: Cluster, script: str) -> None:
    said = cluster.run("sbatch", "--parsable", "--job-name=no-script", stdin=script)
    assert said.returncode != 0
    assert cluster.ask("squeue", "-h", "-t", "all", "--name=no-script").strip() == ""


def test_the_script_is_handed_over_when_the_claim_is_on_disk(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = f'script=$(cat)\nls {tmp_path}/shelf/*/sendings > {tmp_path}/seen\nexec {REAL}/sbatch "$@" <<< "$script"'
    commands = wrappers(tmp_path / "bin", sbatch=late)
    with slurm_workshop(tmp_path, commands=commands) as bench:
        service = JobService(bench.settings)
        site = service.site()
        assert isinstance(site, SlurmSite)
        start = site._commands.start
        there: list[list[str]] = []

        def watched(name: str, *words: str, **options: object) -> object:
            there.append(os.listdir(bench.settings.shelf) if Path(bench.settings.shelf).exists() else [])
            return start(name, *words, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(site._commands, "start", watched)
        job = service.run(Request(tier="local", time_s=60), "pass", {})
        assert there == [[]]  # one sbatch, and nothing was written when it was started
        assert (tmp_path / "seen").read_text() == "1.json\n"
        assert len(queued(cluster, job.folder)) == 1


def test_the_spans_of_a_submission_are_put_together_while_sbatch_works_and_end_when_it_has_answered(
    bench: SlurmWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[str] = []

    def noted(owner: type, name: str) -> None:
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, **k: moments.append(name) or real(*a, **k))

    noted(Running, "_write")
    noted(SubmissionRecord, "prepare")
    noted(Sender, "_note")
    noted(SubmissionRecord, "write")
    service = JobService(bench.settings)
    before = time.time()
    job = service.run(Request(tier="local", time_s=60), "pass", {})
    after = time.time()
    assert moments == ["_write", "prepare", "_note", "write"]
    (told,) = [event["data"] for event in read_all(job.folder.journals) if event["kind"] == "spans"]
    capture, submit = sorted(decode(told), key=lambda span: span.begin_ns)
    assert (capture.name, submit.name) == ("capture", "submit")
    (queued_at,) = [e["at"] for e in read_all(job.folder.journals) if e.get("state") == "queued"]
    assert before <= submit.begin_ns / 1e9 <= queued_at <= submit.end_ns / 1e9 <= after


def watched(bench: SlurmWorkshop, monkeypatch: pytest.MonkeyPatch) -> tuple[JobService, list[Running]]:
    """A service, and each command that it starts ahead."""
    service = JobService(bench.settings)
    site = service.site()
    assert isinstance(site, SlurmSite)
    begun: list[Running] = []
    start = site._commands.start
    monkeypatch.setattr(site._commands, "start", lambda *a, **k: begun.append(start(*a, **k)) or begun[-1])
    return service, begun


def test_a_value_that_cannot_travel_ends_the_sbatch_that_was_begun_for_its_cell(
    cluster: Cluster, bench: SlurmWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, begun = watched(bench, monkeypatch)
    with pytest.raises(CaptureError, match="cannot travel"):
        service.run(Request(tier="local", time_s=60), "print(lock)", {"lock": threading.Lock()})
    (early,) = begun
    assert early._process.returncode is not None
    assert not Path(bench.settings.shelf).exists() or os.listdir(bench.settings.shelf) == []
    (name,) = [w.partition("=")[2] for w in early.started_with[0] if w.startswith("--job-name=")]
    assert cluster.ask("squeue", "-h", "-t", "all", f"--name={name}").strip() == ""
    service.draft(Request(tier="local", time_s=60), "pass", {})
    assert len(begun) == 1, "what is only drafted starts nothing"


@pytest.mark.parametrize(
    "moment",
    [
        "qhub_ext.sites.slurm.commands.move_apart",
        "qhub_ext.service.draft.analyse",
        "qhub_ext.service.jobs.put_on_shelf",
        "qhub_ext.sites.slurm.ledger.make_claim",
    ],
)
def test_an_interrupt_before_the_claim_leaves_no_sbatch_behind_and_nothing_in_the_queue(
    cluster: Cluster, bench: SlurmWorkshop, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    service, begun = watched(bench, monkeypatch)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        service.run(Request(tier="local", time_s=60), "pass", {})
    (early,) = begun
    assert early._process.returncode is not None
    (name,) = [w.partition("=")[2] for w in early.started_with[0] if w.startswith("--job-name=")]
    assert commands_about(name) == []
    assert cluster.ask("squeue", "-h", "-t", "all", f"--name={name}").strip() == ""


def test_a_long_script_is_handed_over_in_one_piece_so_that_none_can_be_cut(tmp_path: Path) -> None:
    commands = Commands(wrappers(tmp_path / "bin", sbatch="wc -c"), timeout_s=60.0)
    running = commands.start("sbatch", waits=True)
    text = "#" * 500_000
    assert running._write(text) is None
    answer = running.finish(None, timeout_s=60.0)
    assert answer.output.strip() == str(len(text))


def test_what_cannot_be_written_leaves_no_sbatch_behind_and_nothing_in_the_queue(
    cluster: Cluster, tmp_path: Path
) -> None:
    with slurm_workshop(tmp_path) as bench:
        service = JobService(bench.settings)
        draft = service.draft(Request(tier="local", time_s=60), "pass", {})
        Path(bench.settings.shelf).write_text("a file where a folder should be")
        with pytest.raises(QhubError):
            service.submit(draft)
        assert commands_about(draft.spec.id) == []
        assert queued(cluster, JobFolder(Path(bench.settings.shelf) / draft.spec.id)) == []


def test_an_sbatch_that_was_started_with_other_wishes_than_the_folder_has_is_not_used(
    bench: SlurmWorkshop, cluster: Cluster
) -> None:
    assert isinstance(bench.site, SlurmSite)
    job = bench.job("seal completed", time_s=3600)
    with bench.site.expect(replace(read_spec(job), time_s=1200)):
        bench.site.submit([job])
    (number,) = queued(cluster, job)
    assert cluster.ask("squeue", "-h", "-t", "all", "-j", number, "-o", "%l").strip() == "1:00:00"
    assert commands_about(job.id) == []


def test_a_notebook_killed_at_any_moment_of_a_submission_loses_nothing_and_doubles_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    launcher = tmp_path / "in-the-place-of-the-runner"
    launcher.write_text(f"#!/bin/bash\n{SEAL}\necho once >> ledger; seal completed\n")
    launcher.chmod(0o755)
    with slurm_workshop(tmp_path, launcher=[str(launcher)]) as bench:
        settings = tmp_path / "settings.json"
        settings.write_text(bench.settings.model_dump_json())
        subprocess.run([sys.executable, "-m", "tests.slurm.client", str(settings), str(ROUNDS)], check=True)
        begun = [name.removeprefix(".new-") for name in os.listdir(bench.settings.shelf)]
        wait_until(lambda: not commands_about(*begun), what="the end of every sbatch")
        service = JobService(bench.settings)
        jobs = [JobFolder(Path(bench.settings.shelf) / i) for i in service.shelf.ids()]
        claimed = [job for job in jobs if ledger.claims(job)]
        assert 1 < len(claimed) < ROUNDS, "no moment before or after a claim was met"
        assert all(len(queued(cluster, job)) <= (job in claimed) for job in jobs)
        for job in claimed:
            let_a_minute_go_by(job)
        known = service.site().find([job.id for job in jobs])
        assert known.keys() <= {job.id for job in claimed}
        service.apply("requeue", [job.id for job in jobs if job.id not in known])
        bench.until_final(*jobs)
        assert [len(queued(cluster, job)) for job in jobs] == [1] * len(jobs)
        assert {(job.path / "ledger").read_text() for job in jobs} == {"once\n"}
