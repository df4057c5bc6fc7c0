"""Folders that this user may not read: another user's on a shared shelf, in a real server process without root's rights."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.benchmarks.bench_listing import finished_job
from tests.server.process import server

# root reads everything unless this is taken from it
WITHOUT_ROOT_RIGHTS = (
    () if os.geteuid() else ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all")
)


def test_a_job_whose_folder_is_closed_is_listed_with_the_reason_and_is_404(tmp_path: Path) -> None:
    shelf = tmp_path / "jobs"
    for number in range(2):
        finished_job(shelf, number, time.time())
    closed, mine = sorted(os.listdir(shelf))
    os.chmod(shelf / closed, 0)
    try:
        with server(tmp_path, before=WITHOUT_ROOT_RIGHTS) as one:
            listed = {j["id"]: j for j in one.get("qhub_ext/jobs")["jobs"]}
            assert listed[mine]["state"] == "completed"
            assert listed[closed]["state"] == "lost"
            assert "closed to you" in listed[closed]["message"]
            for page in ("", "/outputs", "/detail", "/archive", "/logs", "/events", "/script", "/trace", "/explain"):
                answer = one.get(f"qhub_ext/jobs/{closed}{page}")
                assert (answer["status"], answer["cause"]) == (404, "integration"), (page, answer)
                assert "closed to you" in answer["message"]
    finally:
        os.chmod(shelf / closed, 0o700)
