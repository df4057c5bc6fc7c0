"""The Jupyter server's log as JSON lines: by its environment from the start, by qhub.toml from the first request on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.jobfolder.shelf import Shelf
from qhub_ext.settings import EmbeddedSettings, Settings
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.telemetry.context import parse_traceparent
from tests.server.process import Server, server
from tests.sites.workshop import Workshop, sweep_up


def told(one: Server) -> list[dict[str, Any]]:
    """Lines of the log that are JSON; no other may come behind the first of them."""
    lines = one.log().splitlines()
    first = next((n for n, line in enumerate(lines) if line.startswith("{")), len(lines))
    return [json.loads(line) for line in lines[first:]]


@pytest.mark.parametrize("way", ["environment", "toml"])
def test_what_is_done_to_a_job_is_a_line_of_json_with_its_id_and_its_trace(way: str, tmp_path: Path) -> None:
    more = {"QHUB_TELEMETRY_LOGS": "json"}
    if way == "toml":
        (tmp_path / "qhub.toml").write_text('[telemetry]\nlogs = "json"\n')
        more = {"QHUB_CONFIG": str(tmp_path / "qhub.toml")}
    settings = Settings(shelf=tmp_path / "jobs", embedded=EmbeddedSettings(directory=tmp_path / "site"))
    shelf = Shelf(settings.shelf)
    try:
        with server(tmp_path, more=more) as one:
            job = one.post("qhub_ext/jobs", source="1 + 1", tier="local")["id"]
            one.post(f"qhub_ext/jobs/{job}/hold")
            one.post(f"qhub_ext/jobs/{job}/cancel")
            lines = told(one)
        trace = parse_traceparent(json.loads(shelf.folder(job).spec.read_text())["traceparent"])
        assert trace is not None
        ours = [line for line in lines if line.get("job") == job]
        assert ours[0]["message"] == f"qhub_ext: submit job {job}"
        assert {line["trace_id"] for line in ours} == {trace.trace_id}
        assert {line["service"] for line in lines} == {"jupyter-server"}
        assert all({"at", "level", "message"} <= set(line) for line in lines)
    finally:
        sweep_up(Workshop(settings, EmbeddedSite(settings), [shelf.folder(job_id) for job_id in shelf.ids()]))


def test_without_being_asked_for_the_log_stays_as_jupyter_writes_it(tmp_path: Path) -> None:
    with server(tmp_path) as one:
        one.get("qhub_ext/status")
        assert told(one) == []
        assert "qhub_ext" in one.log()
