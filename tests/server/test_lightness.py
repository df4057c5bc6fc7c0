"""The server belongs to everybody's notebooks: nothing heavy is imported there, whatever is asked."""

from __future__ import annotations

from pathlib import Path

from tests.server.process import server

HEAVY = {"qiskit", "qiskit_aer", "qiskit_ibm_runtime", "qrmi", "pandas", "numpy", "scipy", "plotly", "matplotlib"}
LATE = {"pydantic", "qhub_ext.service", "qhub_ext.settings"}
"""What the first request brings, and the start of the server does not wait for."""


def test_a_real_server_stays_light_over_a_round_of_requests(tmp_path: Path) -> None:
    with server(tmp_path) as one:
        begun = one.modules()
        assert "qhub_ext.server.app" in begun, one.log()
        assert not begun & LATE
        for path in ("status", "devices", "devices/kingston/calibration", "queue", "jobs"):
            assert one.get(f"qhub_ext/{path}")
        assert not {name.partition(".")[0] for name in one.modules()} & HEAVY
