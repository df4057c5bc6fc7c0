"""The cluster as pytest knows it, and a workshop whose site it is."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.settings import Settings, SlurmSettings, SlurmTierSettings
from qhub_ext.sites.slurm import site as site_module
from qhub_ext.sites.slurm.script import render_script
from qhub_ext.sites.slurm.site import SlurmSite
from tests.sites.workshop import SEAL, Workshop
from tests.slurm import packages
from tests.slurm.cluster import Cluster, make_root
from tests.slurm.packages import Unavailable
from tests.waiting import wait_until


def running_cluster(database: bool = True) -> Cluster | str:
    """The cluster of this test run, with a database or without, started by whoever asks first; or why there is none.

    QHUB_TEST_SLURM names the folder of one (with a database) that is up already, to save its 15 seconds.
    """
    return _started(database)


@lru_cache(maxsize=2)
def _started(database: bool) -> Cluster | str:
    if os.environ.get("QHUB_TEST_SLURM") and database:
        packages.add_users().close()
        return Cluster(Path(os.environ["QHUB_TEST_SLURM"]))
    try:
        cluster = Cluster(make_root(), database=database)
        guard = subprocess.Popen(
            [sys.executable, "-m", "tests.slurm", "guard", "--root", str(cluster.root)],
            stdin=subprocess.PIPE,  # its end is the end of this process
            stdout=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C ends the tests, not what cleans up behind them
        )
        _guards.append(guard)
        atexit.register(end_cluster)
        assert guard.stdout is not None
        guard.stdout.readline()
        cluster.up()
    except Unavailable as error:
        return str(error)
    return cluster


_guards: list[subprocess.Popen[bytes]] = []


def end_cluster() -> None:
    """Waits until the guard has taken everything down."""
    for guard in _guards:
        guard.communicate(timeout=200)
    _guards.clear()
    _started.cache_clear()


@pytest.fixture(scope="session")
def slurm_cluster() -> Cluster:
    found = running_cluster()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture
def cluster(slurm_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Whole again after each test."""
    monkeypatch.setenv("SLURM_CONF", slurm_cluster.environment["SLURM_CONF"])
    slurm_cluster.mend()
    yield slurm_cluster
    slurm_cluster.mend()
    slurm_cluster.cancel_all()


class SlurmWorkshop(Workshop):
    """Job folders whose script is the site's own, with the test's lines in the place of the runner."""

    slurm: SlurmSite

    def _fill(self, folder: JobFolder, script: str, job_id: str, spec: dict[str, Any]) -> JobFolder:
        super()._fill(folder, script, job_id, spec)
        from qhub_ext.jobfolder.outcome import read_spec

        read: JobSpec = read_spec(folder)
        lines = render_script(folder, read, self.settings.slurm).splitlines()
        folder.script.write_text("\n".join([*lines[:-1], SEAL, script, ""]))
        return folder


@contextmanager
def slurm_workshop(tmp_path: Path, *, cpus: int = 2, database: bool = True, **slurm: Any) -> Iterator[Workshop]:
    """`cpus` 1 and 2 choose a partition with one node of so many."""
    found = running_cluster(database)
    if isinstance(found, str):
        pytest.skip(found)
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = found.environment["SLURM_CONF"]
    try:
        partition = {1: "narrow", 2: "wide"}.get(cpus, "emulation")
        tier = SlurmTierSettings(partition=partition, time_max_s=slurm.pop("time_max_s", None))
        settings = Settings(
            shelf=tmp_path / "shelf",
            cache=tmp_path / "cache",
            site="slurm",
            slurm=SlurmSettings(**{"poll_s": 0.1, "poll_max_s": 0.5, "tiers": {"local": tier}, **slurm}),
        )
        site_module._pollers.clear()
        yield SlurmWorkshop(settings, SlurmSite(settings))
    finally:
        found.mend()
        found.cancel_all()
        wait_until(lambda: not found.ask("squeue", "-h", "-o", "%i").strip(), what="an empty queue")
        if before is None:
            os.environ.pop("SLURM_CONF", None)
        else:
            os.environ["SLURM_CONF"] = before


def surroundings(cluster: Cluster, settings: Settings | None = None, **more: str) -> dict[str, str]:
    """Of a user on a login node of the cluster, whose jobs are those of `settings`; `slurm_poll_s="1"` is QHUB_SLURM_POLL_S."""
    places = {"QHUB_SHELF": str(settings.shelf), "QHUB_CACHE": str(settings.cache)} if settings else {}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("QHUB_")},
        "SLURM_CONF": cluster.environment["SLURM_CONF"],
        "QHUB_SITE": "slurm",
        **places,
        **{f"QHUB_{name.upper()}": value for name, value in more.items()},
    }


@pytest.fixture
def bench(cluster: Cluster, tmp_path: Path) -> Iterator[SlurmWorkshop]:
    """A site with one node of two CPUs."""
    with slurm_workshop(tmp_path, cpus=2) as workshop:
        assert isinstance(workshop, SlurmWorkshop)
        yield workshop
