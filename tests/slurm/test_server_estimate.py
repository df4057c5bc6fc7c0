"""When a job starts, asked from the sidebar at a site with Slurm: through a real Jupyter server, answered by Slurm's own plan."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.server.process import server
from tests.slurm.fixtures import SlurmWorkshop
from tests.slurm.wrappers import logged, wrappers
from tests.waiting import wait_until


def test_a_page_is_told_when_a_job_starts_and_twenty_pages_cost_slurm_one_question(
    bench: SlurmWorkshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = bench.submit("sleep 300", cpus=2, time_s=1200, site="slurm", name="runs")
    bench.until_running(running)
    waiting = bench.submit("true", cpus=2, time_s=600, site="slurm", name="waits")
    held = bench.submit("true", cpus=2, time_s=600, site="slurm", name="on hold")
    bench.site.hold([held.id])
    wait_until(lambda: bench.site.explain_reason(waiting.id).word != "None", what="a reason to wait")

    commands = wrappers(tmp_path / "bin", **logged("squeue"))
    path = tmp_path / "server"
    path.mkdir()
    (path / "config").mkdir()
    (path / "config" / "qhub.toml").write_text(
        f'site = "slurm"\n[slurm]\ncommands = "{commands}"\npoll_s = 1\n'
        '[slurm.tiers.local]\npartition = "wide"\n'
    )  # fmt: skip
    (path / "jobs").symlink_to(bench.settings.shelf)
    with server(path) as one:
        estimate = f"qhub_ext/jobs/{waiting.id}/estimate"
        answers = [one.get(estimate) for _ in range(20)]
        assert len({str(answer) for answer in answers}) == 1
        asked = [line for line in (commands / "squeue.log").read_text().splitlines() if "--start" in line]
        assert len(asked) == 1, asked
        told = answers[0]
        assert told["earliest"] <= told["latest"]
        assert told["as_of"] < told["latest"] < time.time() + 1300, "the job ahead of it has 20 minutes at most"
        assert "Slurm" in told["why"]
        of_held = one.get(f"qhub_ext/jobs/{held.id}/estimate")
        assert (of_held["earliest"], of_held["latest"]) == (None, None)
        assert "until it is released" in of_held["why"]
        of_running = one.get(f"qhub_ext/jobs/{running.id}/estimate")
        assert of_running["why"] == "It has started."
