"""The server belongs to everybody's notebooks: nothing heavy is imported there, whatever is asked."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.settings import EmbeddedSettings, Settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from tests.server.process import server
from tests.sites.workshop import Workshop, sweep_up
from tests.waiting import wait_until

HEAVY = {"qiskit", "qiskit_aer", "qiskit_ibm_runtime", "qrmi", "pandas", "numpy", "scipy", "plotly", "matplotlib"}
LATE = {"pydantic", "qhub_ext.service", "qhub_ext.settings"}
"""What the first request brings, and the start of the server does not wait for."""


def test_a_real_server_stays_light_over_a_round_of_requests(tmp_path: Path) -> None:
    embedded = Settings(shelf=tmp_path / "jobs", embedded=EmbeddedSettings(directory=tmp_path / "site"))
    try:
        _ask_everything(tmp_path)
    finally:
        shelf = Shelf(embedded.shelf)
        sweep_up(Workshop(embedded, EmbeddedSite(embedded), [shelf.folder(job_id) for job_id in shelf.ids()]))


def _ask_everything(path: Path) -> None:
    with server(path) as one:
        begun = one.modules()
        assert "qhub_ext.server.app" in begun, one.log()
        assert not begun & LATE
        for page in (
            "status",
            "devices",
            "devices/kingston/calibration",
            "queue",
            "tasks",
            "fleet",
            "jobs",
            "doctor",
            "openapi.json",
        ):
            assert one.get(f"qhub_ext/{page}")
        job = one.post(
            "qhub_ext/jobs",
            source="from qiskit import QuantumCircuit\nbell = QuantumCircuit(2)\nbell",
            tier="emulation",
        )
        home = f"qhub_ext/jobs/{job['id']}"
        wait_until(lambda: one.get(home)["ended_at"], what="the end of the job")
        assert one.get(home)["state"] == "completed", one.get(home)
        for page in (
            "events",
            "outputs",
            "logs",
            "script",
            "detail",
            "trace",
            "explain?others=1",
            "estimate",
            "archive",
        ):
            assert one.get(f"{home}/{page}")
        again = one.post(f"{home}/rerun")
        one.post("qhub_ext/actions", verb="cancel", ids=[again["id"]])
        assert not {name.partition(".")[0] for name in one.modules()} & HEAVY
