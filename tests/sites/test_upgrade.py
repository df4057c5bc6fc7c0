"""The package is upgraded under a daemon, a template and a kernel that run its older code: they notice, and nothing is lost or run twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import qhub_ext
from qhub_ext.job.state import State
from qhub_ext.jobfolder.outputs import read_text
from qhub_ext.sites.embedded import daemon_process
from qhub_ext.sites.embedded.processes import Process
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.sites.workshop import Workshop, embedded_workshop, launch_record
from tests.waiting import wait_until

LEDGER = 'echo "${PWD##*/} $QHUB_ATTEMPT" >> ../ledger; '


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which every Python of the site finds first."""
    root = tmp_path / "installed"
    left_out = shutil.ignore_patterns("__pycache__", "labextension", "schemas")
    shutil.copytree(Path(qhub_ext.__file__).parent, root / "qhub_ext", ignore=left_out)
    monkeypatch.setenv("PYTHONPATH", str(root))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return root / "qhub_ext"


@pytest.fixture
def shop(tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workshop]:
    """Whose daemon is of the copy."""
    monkeypatch.setattr(daemon_process, "DAEMON", package / "sites/embedded/daemon.py")
    with embedded_workshop(tmp_path) as workshop:
        yield workshop


def change(path: Path, old: str, new: str) -> None:
    """In place, so that no folder looks changed."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def upgrade(package: Path) -> None:
    """Daemon and launcher agree on another word than before: old and new of them do not understand each other."""
    change(package / "sites/embedded/starters.py", '*self._launch, "run"', '*self._launch, "carry_out"')
    change(package / "sites/embedded/launcher.py", 'arguments[0] == "run"', 'arguments[0] == "carry_out"')


def daemon_of(shop: Workshop) -> Process:
    assert isinstance(shop.site, EmbeddedSite)
    return wait_until(shop.site.daemon.process, what="the daemon")  # type: ignore[return-value]


def log_of(shop: Workshop) -> str:
    assert isinstance(shop.site, EmbeddedSite)
    return shop.site.spool.log.read_text()


def ran(shop: Workshop) -> list[str]:
    return sorted((Path(shop.settings.shelf) / "ledger").read_text().splitlines())


def test_a_daemon_of_older_code_hands_over_and_running_and_waiting_jobs_each_run_once(
    shop: Workshop, package: Path
) -> None:
    running = shop.submit(f"{LEDGER} while [ ! -e go ]; do sleep 0.05; done; seal completed", cpus=2)
    shop.until_running(running)
    waiting = shop.submit(f"{LEDGER} seal completed")
    before = daemon_of(shop)
    upgrade(package)
    later = shop.submit(f"{LEDGER} seal completed")
    wait_until(lambda: not before.lives(), what="the end of the daemon of older code")
    assert shop.reported(running) is State.RUNNING
    (running.path / "go").touch()
    records = shop.until_final(running, waiting, later)
    assert [record.state for record in records] == [State.COMPLETED] * 3
    assert ran(shop) == sorted(f"{job.id} 1" for job in (running, waiting, later))
    assert "it hands over to one of the new code" in log_of(shop)
    assert daemon_of(shop) != before


def test_the_wall_time_of_a_running_job_is_kept_over_the_hand_over(shop: Workshop, package: Path) -> None:
    job = shop.submit("trap 'seal timed_out; exit' TERM; touch begun; while :; do sleep 0.05; done", time_s=2)
    wait_until(lambda: (job.path / "begun").exists(), what="its begin")
    upgrade(package)
    other = shop.submit("seal completed")
    states = [record.state for record in shop.until_final(job, other)]
    assert states == [State.TIMED_OUT, State.COMPLETED]


def test_many_upgrades_amid_many_jobs_lose_nothing_and_run_nothing_twice(shop: Workshop, package: Path) -> None:
    jobs = []
    for round_ in range(3):
        jobs += [shop.submit(f"{LEDGER} sleep 0.1; seal completed") for _ in range(6)]
        wait_until(lambda jobs=jobs: shop.state(jobs[-6]).final, what="the first of this round")  # type: ignore[misc]
        (package / "errors.py").write_text((package / "errors.py").read_text() + f"# {round_}\n")
    records = shop.until_final(*jobs)
    assert {record.state for record in records} == {State.COMPLETED}
    assert ran(shop) == sorted(f"{job.id} 1" for job in jobs)


def test_while_an_upgrade_is_half_done_jobs_wait_and_a_broken_one_is_told_in_the_log(
    shop: Workshop, package: Path
) -> None:
    shop.until_final(shop.submit("seal completed"))
    change(package / "sites/embedded/line.py", "class Line:", "class Line(:")
    assert isinstance(shop.site, EmbeddedSite)
    shop.site.spool.ring()
    wait_until(lambda: "cannot be started (yet)" in log_of(shop), what="the daemon's trying")
    job = shop.submit(f"{LEDGER} seal completed")
    assert shop.reported(job) is State.QUEUED
    change(package / "sites/embedded/line.py", "class Line(:", "class Line:")
    assert [record.state for record in shop.until_final(job)] == [State.COMPLETED]
    assert ran(shop) == [f"{job.id} 1"]


def test_an_idle_daemon_of_older_code_leaves_to_make_room(shop: Workshop, package: Path) -> None:
    shop.until_final(shop.submit("seal completed"))
    before = daemon_of(shop)
    upgrade(package)
    assert isinstance(shop.site, EmbeddedSite)
    shop.site.spool.ring()
    wait_until(lambda: not before.lives(), what="its leaving")
    assert shop.site.daemon.process() is None


def kept(shop: Workshop, what: str) -> Process:
    """A process that is kept ready, after a first job, which tells the site for which Python."""
    assert isinstance(shop.site, EmbeddedSite)
    job = shop.cell("pass")
    shop.site.submit([job])
    shop.until_final(job)
    site = shop.site
    return wait_until(lambda: next(iter(site.daemon.kept().get(what, ())), None), what=f"a {what}")  # type: ignore[return-value]


@pytest.mark.parametrize("what", ["template", "kernel"])
def test_what_is_kept_ready_of_older_code_is_not_used(tmp_path: Path, package: Path, what: str) -> None:
    """The copy is another environment's here: the daemon, whose code is as it was, cannot see that it was changed."""
    ways = {"template": {}, "kernel": {"template": False, "warm_kernels": 1, "warm_imports": ("json",)}}
    with embedded_workshop(tmp_path, **ways[what]) as shop:
        old = kept(shop, what)
        change(package / "runner/attempt.py", "def run_attempt(", 'print("of the new code")\n\n\ndef run_attempt(')
        job = shop.cell("print(6 * 7)")
        shop.site.submit([job])
        (record,) = shop.until_final(job)
        assert (record.state, record.attempt.number) == (State.COMPLETED, 1)
        assert launch_record(job.attempt(1))["how"] == "cold"
        assert read_text(job.attempt(1)) == "42\n"
        assert "of the new code" in job.attempt(1).console.read_text()
        assert "qhub_ext was changed since it began" in log_of(shop)
        wait_until(lambda: not old.lives(), what="its end")
