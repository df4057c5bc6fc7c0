"""The users that jobs of a cluster run as are there as long as it is."""

from __future__ import annotations

import pwd
from pathlib import Path

import pytest

from tests.slurm import packages
from tests.slurm.cluster import Cluster, make_root


def test_a_cluster_keeps_its_users_when_a_test_run_ends_beside_it(
    slurm_cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "USERS", ("qhub-carol",))
    monkeypatch.setattr(packages, "_LOCK", tmp_path / "users.lock")
    other = Cluster(make_root())
    try:
        other.configuration.write()
        other.start("munged")
        packages.remove_users(packages.add_users())  # as a test run does at its end
        assert pwd.getpwnam("qhub-carol").pw_uid > 0
    finally:
        other.down()
        packages.remove_users(packages.add_users())
    with pytest.raises(KeyError):
        pwd.getpwnam("qhub-carol")
