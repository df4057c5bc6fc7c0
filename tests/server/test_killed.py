"""The server holds nothing that matters: it is killed, its jobs go on, and the next one tells how they ended."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.settings import EmbeddedSettings, Settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.server.process import server
from tests.sites.workshop import Workshop, sweep_up
from tests.waiting import wait_until

WAITS = "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists({go!r}): time.sleep(0.05)\nx = 42\nprint('done')"


@pytest.fixture
def path(tmp_path: Path):
    yield tmp_path
    settings = Settings(shelf=tmp_path / "jobs", embedded=EmbeddedSettings(directory=tmp_path / "site"))
    shelf = Shelf(settings.shelf)
    sweep_up(Workshop(settings, EmbeddedSite(settings), [shelf.folder(job_id) for job_id in shelf.ids()]))


def test_jobs_outlive_a_server_that_is_killed_and_the_next_one_tells_their_end(path: Path) -> None:
    source = WAITS.format(go=str(path / "go"))
    with server(path) as one:
        running = one.post("qhub_ext/jobs", source=source, name="runs")["id"]
        waiting = one.post("qhub_ext/jobs", source="print('after')", name="waits", after=[running])["id"]
        wait_until(lambda: one.get(f"qhub_ext/jobs/{running}")["state"] == "running", what="the job")
        one.process.kill()
        one.process.wait()
    with server(path) as another:
        states = {job["id"]: job["state"] for job in another.get("qhub_ext/jobs")["jobs"]}
        assert states == {running: "running", waiting: "queued"}
        (path / "go").touch()
        for job_id, printed in ((running, b"begun\ndone\n"), (waiting, b"after\n")):
            wait_until(lambda at=job_id: another.get(f"qhub_ext/jobs/{at}")["ended_at"], what=f"the end of {job_id}")  # type: ignore[misc]
            assert another.get(f"qhub_ext/jobs/{job_id}")["state"] == "completed"
            assert another.get(f"qhub_ext/jobs/{job_id}/logs") == printed
    for job_id in (running, waiting):
        assert Shelf(path / "jobs").folder(job_id).attempt_numbers() == [1]
