"""What the embedded site does when its surroundings misbehave."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.errors import SiteError
from qhub_ext.job.state import State
from qhub_ext.sites.embedded import spool as spool_module
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.sites.embedded.spool import Spool, letters
from tests.sites.workshop import Workshop, daemon_pids, embedded_workshop, site_of
from tests.small_disk import fill, small_disk
from tests.waiting import wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")


# ---------------------------------------------------------------------- the daemon comes and goes


def test_many_clients_at_once_start_one_daemon_and_share_one_queue(shop: Workshop) -> None:
    jobs = [shop.job("seal completed") for _ in range(12)]
    threads = [threading.Thread(target=lambda job=job: EmbeddedSite(shop.settings).submit([job])) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    shop.until_final(*jobs)
    wait_until(lambda: len(daemon_pids(site_of(shop).spool.directory)) == 1, what="a single daemon")


def test_the_daemon_leaves_when_idle_and_comes_back_for_the_next_job(tmp_path: Path) -> None:
    with embedded_workshop(tmp_path, idle_exit_s=0.1) as shop:
        shop.until_final(shop.submit("seal completed"))
        wait_until(lambda: not daemon_pids(site_of(shop).spool.directory), what="the daemon's leaving")
        assert not site_of(shop).spool.identity.exists()
        assert "starts it" in " ".join(finding.what for finding in shop.site.doctor())
        (record,) = shop.until_final(shop.submit("seal completed"))
        assert record.state is State.COMPLETED


def test_no_job_is_lost_between_a_daemon_that_leaves_and_the_next(tmp_path: Path) -> None:
    with embedded_workshop(tmp_path, idle_exit_s=0.03) as shop:
        for _ in range(15):  # each falls near the moment at which the daemon leaves
            job = shop.submit("seal completed")
            wait_until(lambda job=job: shop.state(job).final, what="a job sent to a leaving daemon")  # type: ignore[misc]


def test_a_job_that_runs_or_waits_keeps_the_daemon(tmp_path: Path) -> None:
    with embedded_workshop(tmp_path, idle_exit_s=0.05) as shop:
        job = shop.submit("sleep 600")
        shop.until_running(job)
        held = shop.submit("true")
        shop.site.hold([held.id])
        daemon = site_of(shop).daemon.process()
        assert daemon is not None
        until = time.monotonic() + 0.4
        wait_until(lambda: time.monotonic() > until, what="many times its patience")
        assert daemon.lives()


def test_a_daemon_that_is_asked_to_leave_leaves_its_jobs_running(shop: Workshop) -> None:
    job = shop.submit("while [ ! -e go ]; do sleep 0.05; done; seal completed")
    shop.until_running(job)
    process = site_of(shop).daemon.process()
    assert process is not None
    process.send(signal.SIGTERM)
    wait_until(lambda: not process.lives(), what="the daemon's end")
    (job.path / "go").touch()
    assert shop.until_final(job)[0].state is State.COMPLETED


# ---------------------------------------------------------------------- what a job finds around it


def test_a_job_gets_interrupts_and_an_out_of_memory_score_like_any_program(shop: Workshop) -> None:
    job = shop.submit(
        "trap -p; grep -E 'SigBlk|SigIgn' /proc/self/status; cat /proc/self/oom_score_adj; seal completed"
    )
    shop.until_final(job)
    lines = job.attempt(1).console.read_text().split()
    ordinary = (1 << 31) - 1  # the two after them are the C library's own
    assert int(lines[lines.index("SigBlk:") + 1], 16) & ordinary == 0
    assert int(lines[lines.index("SigIgn:") + 1], 16) & ordinary == 0  # an ignored INT: a job deaf to interrupts
    assert lines[-1] == "500"


def test_a_term_goes_to_the_script_and_not_to_its_children(shop: Workshop) -> None:
    job = shop.submit(
        """trap 'echo script >> heard; touch go; wait; seal cancelled; exit' TERM
        (trap 'echo child >> heard' TERM; touch ready; while [ ! -e go ]; do sleep 0.02; done) &
        while :; do sleep 0.02; done""",
        grace_s=20,
    )
    wait_until(lambda: (job.path / "ready").exists(), what="the child")
    shop.site.cancel([job.id])
    shop.until_final(job)
    assert (job.path / "heard").read_text() == "script\n"


@pytest.mark.parametrize("words", [("cancel", "requeue"), ("requeue", "cancel"), ("requeue", "cancel", "requeue")])
def test_whether_a_job_that_is_being_stopped_begins_again_is_said_by_the_last_word(
    shop: Workshop, words: tuple[str, ...]
) -> None:
    # its end is sealed, as a runner does, and its processes take a while to leave
    job = shop.submit(
        """[ $QHUB_ATTEMPT = 2 ] && { seal completed; exit; }
        trap 'seal cancelled; while [ ! -e go ]; do sleep 0.02; done; exit' TERM
        touch listening; while :; do sleep 0.02; done""",
        grace_s=60,
    )
    wait_until(lambda: (job.path / "listening").exists(), what="the trap")
    for word in words:
        assert getattr(shop.site, word)([job.id]) == []
        wait_until(lambda: letters(site_of(shop).spool.requests) == [], what="its hearing")
    wait_until(lambda: job.attempt(1).outcome.exists(), what="its end")
    (job.path / "go").touch()
    again = words[-1] == "requeue"
    (record,) = shop.until_final(job)
    assert record.state is (State.COMPLETED if again else State.CANCELLED)
    assert job.attempt_numbers() == ([1, 2] if again else [1])


def test_the_secrets_of_the_shell_that_started_the_daemon_do_not_reach_jobs(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QISKIT_IBM_TOKEN", "s3cr3t")
    monkeypatch.setenv("LC_TIME", "C.UTF-8")
    job = shop.submit("env; seal completed")
    shop.until_final(job)
    environment = job.attempt(1).console.read_text()
    assert "s3cr3t" not in environment
    assert "LC_TIME=C.UTF-8" in environment
    assert "HOME=" in environment


def test_two_launchers_of_one_attempt_run_it_once(shop: Workshop) -> None:
    job = shop.submit('echo "$$" >> ledger; while [ ! -e go ]; do sleep 0.02; done; seal completed')
    attempt = shop.until_running(job)
    command = Path(f"/proc/{json.loads(attempt.launch.read_text())['pid']}/cmdline").read_bytes().split(b"\0")[:-1]
    second = subprocess.run(command, start_new_session=True)
    assert second.returncode == 70
    (job.path / "go").touch()
    shop.until_final(job)
    assert len((job.path / "ledger").read_text().split()) == 1


# ---------------------------------------------------------------------- letters and journals


def test_letters_that_cannot_be_read_are_put_aside_and_hold_up_nobody(shop: Workshop) -> None:
    spool = site_of(shop).spool
    spool.prepare()
    (spool.incoming / "1.json").write_text('{"schema":"qhub.submission/1","jobs":[{"id"')
    (spool.incoming / "2.json").write_text('{"jobs":[{"no":"id"}]}')
    (spool.incoming / "3.json").write_text("[]")
    (spool.requests / "4.json").write_text('{"verb":"dance","ids":["x"]}')
    (record,) = shop.until_final(shop.submit("seal completed"))
    assert record.state is State.COMPLETED
    assert letters(spool.incoming) == letters(spool.requests) == []
    assert len(list(spool.incoming.glob("*.unreadable"))) == 3


def test_a_torn_site_journal_is_carried_on(shop: Workshop) -> None:
    job = shop.job("seal completed")
    job.journal("site").write_bytes(b'{"seq":1,"at":1,"kind":"sta')
    shop.site.submit([job])
    (record,) = shop.until_final(job)
    assert record.state is State.COMPLETED
    assert record.attempt.started_at is not None


def test_a_folder_that_vanishes_while_it_runs_troubles_nobody_else(shop: Workshop) -> None:
    gone = shop.submit("while [ -e script ]; do sleep 0.02; done; sleep 0.1")
    shop.until_running(gone)
    gone.path.rename(gone.path.with_name("elsewhere"))
    (gone.path.with_name("elsewhere") / "script").unlink()
    (record,) = shop.until_final(shop.submit("seal completed"))
    assert record.state is State.COMPLETED
    wait_until(lambda: not shop.site.poll([gone.id]), what="the site to forget it")
    assert not gone.path.exists()


@root_only
def test_the_folder_of_another_user_is_refused(shop: Workshop) -> None:
    job = shop.job("seal completed")
    os.chown(job.path, 12345, 12345)
    with pytest.raises(SiteError, match="belongs to another user"):
        shop.site.submit([job])
    assert shop.site.queue() == []


@root_only
def test_the_queue_of_another_user_is_refused(shop: Workshop) -> None:
    job = shop.job("seal completed")
    directory = site_of(shop).spool.directory
    directory.mkdir()
    os.chown(directory, 12345, 12345)
    with pytest.raises(SiteError, match="belongs to another user"):
        shop.site.submit([job])
    os.chown(directory, os.geteuid(), os.getegid())


def test_a_queue_that_others_may_write_to_is_refused(shop: Workshop) -> None:
    job = shop.job("seal completed")
    directory = site_of(shop).spool.directory
    directory.mkdir(mode=0o700)
    directory.chmod(0o777)
    with pytest.raises(SiteError, match="can run jobs as that user"):
        shop.site.submit([job])


# ---------------------------------------------------------------------- no room


def test_a_place_that_cannot_be_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with embedded_workshop(tmp_path, directory=tmp_path / "file" / "spool") as shop:
        job = shop.job("seal completed")
        with pytest.raises(SiteError, match=r"a part of that path is a file; nothing was queued\."):
            shop.site.submit([job])
        assert shop.site.doctor()[0].level == "failure"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_submission_that_cannot_be_written_is_refused_and_leaves_nothing(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    job = shop.job("seal completed")
    shop.until_final(shop.submit("seal completed"))

    def no_room(*_: Any, **__: Any) -> bool:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(spool_module, "write_beside", no_room)
        with pytest.raises(SiteError, match="nothing was queued"):
            shop.site.submit([job])
    assert os.listdir(site_of(shop).spool.incoming) == []
    assert shop.site.poll([job.id]) == {}
    shop.site.submit([job])
    assert shop.until_final(job)[0].state is State.COMPLETED


def test_an_element_that_is_requeued_makes_its_array_news_to_an_index(shop: Workshop) -> None:
    whole, elements = shop.array("seal completed", 2)
    shop.site.submit(elements)
    shop.until_final(*elements)
    before = whole.path.stat().st_mtime_ns
    assert shop.site.requeue([elements[1].id]) == []
    wait_until(lambda: whole.path.stat().st_mtime_ns > before, what="a new time stamp")
    shop.until_final(*elements)


def test_on_a_disk_that_is_full_submitting_fails_clearly_and_what_is_queued_survives(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir(mode=0o700)
    with (
        small_disk(tmp_path / "disk", 1024) as disk,
        embedded_workshop(tmp_path, cpus=1, directory=disk / "spool") as shop,
    ):
        blocker = shop.submit("while [ ! -e go ]; do sleep 0.02; done; seal completed")
        waiting = shop.submit("seal completed")
        shop.until_running(blocker)
        wait_until(lambda: shop.state(waiting) is State.QUEUED, what="the queue")
        # what the daemon takes away later would make room again
        wait_until(lambda: letters(site_of(shop).spool.incoming) == [], what="the end of the letters")
        fill(disk)
        late = shop.job("seal completed")
        with pytest.raises(SiteError, match="the disk is full; nothing was queued"):
            shop.site.submit([late])
        assert letters(site_of(shop).spool.incoming) == []
        daemon = site_of(shop).daemon.process()
        assert daemon is not None
        (blocker.path / "go").touch()
        wait_until(lambda: shop.state(blocker).final, what="the end of the running job")
        assert daemon.lives()
        (disk / "filler").unlink()
        shop.site.submit([late])
        shop.until_final(blocker, waiting, late)
        assert daemon.lives()
        assert [shop.state(job) for job in (blocker, waiting, late)] == [State.COMPLETED] * 3


def test_a_job_on_a_disk_that_is_full_waits_for_room_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "shelf").mkdir(mode=0o700)
    with small_disk(tmp_path / "shelf", 1024) as shelf, embedded_workshop(tmp_path) as shop:
        job = shop.job("seal completed")
        fill(shelf)
        shop.site.submit([job])
        wait_until(
            lambda: "no room on its disk" in shop.site.explain_reason(job.id).sentence,
            what="the reason of the wait",
        )
        (shelf / "filler").unlink()
        (record,) = shop.until_final(job)
        assert record.state is State.COMPLETED


def test_drafts_of_clients_that_died_while_writing_are_cleared_away(shop: Workshop) -> None:
    spool: Spool = site_of(shop).spool
    spool.prepare()
    old, fresh = spool.incoming / ".1.json.aa", spool.incoming / ".2.json.bb"
    for draft in (old, fresh):
        draft.write_text("{")
    os.utime(old, (1, 1))
    shop.until_final(shop.submit("seal completed"))
    assert not old.exists()
    assert fresh.exists()


def test_a_wiped_queue_forgets_nothing_that_is_sent_again(shop: Workshop) -> None:
    job = shop.submit("sleep 600")
    shop.until_running(job)
    done = shop.submit("seal completed")
    wait_until(lambda: shop.state(done).final, what="the end of the short job")
    process = site_of(shop).daemon.process()
    assert process is not None
    process.send(signal.SIGKILL)
    wait_until(lambda: not process.lives(), what="the daemon's end")
    site_of(shop).spool.table.unlink()
    shop.site.submit([job, done])
    wait_until(lambda: shop.reported(job) is State.RUNNING, what="the job to be taken up")
    assert done.id not in shop.site.poll([done.id])
    assert job.attempt_numbers() == done.attempt_numbers() == [1]
    shop.site.cancel([job.id])
    assert shop.until_final(job)[0].state is State.CANCELLED
