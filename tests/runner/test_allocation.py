"""What the place of execution says: whether its cgroup ran out of memory, as kernels of both versions write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.runner.allocation import oom_kills

V2 = (
    "0::/system.slice/job_7",
    "system.slice/job_7/memory.events",
    "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n",
)
V1 = (
    "9:cpu,cpuacct:/\n4:memory:/slurm/uid_0/job_7\n0::/",
    "memory/slurm/uid_0/job_7/memory.oom_control",
    "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
)


@pytest.mark.parametrize(("told", "file", "text"), [V2, V1], ids=["version 2", "version 1"])
def test_kills_for_lack_of_memory_are_counted(tmp_path: Path, told: str, file: str, text: str) -> None:
    (tmp_path / "cgroup").write_text(told + "\n")
    assert oom_kills(tmp_path / "cgroup", tmp_path / "fs") == 0
    (tmp_path / "fs" / file).parent.mkdir(parents=True)
    (tmp_path / "fs" / file).write_text(text)
    assert oom_kills(tmp_path / "cgroup", tmp_path / "fs") == 2


def test_where_there_are_none_or_they_are_odd_nothing_is_counted(tmp_path: Path) -> None:
    assert oom_kills(tmp_path / "none") == 0
    (tmp_path / "memory.events").write_text("oom_kill\noom_kill many\n")
    (tmp_path / "cgroup").write_text("0::/\n")
    assert oom_kills(tmp_path / "cgroup", tmp_path) == 0
