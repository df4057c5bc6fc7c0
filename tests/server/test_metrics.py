"""The server's own `/metrics` tells of jobs in few series; dashboard and alert rules name only what is there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import qhub_ext.server
from tests.broker.daemons import need
from tests.server.conftest import until
from tests.slurm.packages import Unavailable

MONITORING = Path(qhub_ext.server.__file__).parent / "monitoring"
NAMES = {
    *("qhub_jobs", "qhub_jobs_ended", "qhub_job_wait_seconds", "qhub_job_run_seconds", "qhub_queue_jobs"),
    *("qhub_queue_oldest_seconds", "qhub_site_call_seconds", "qhub_site_stale_seconds", "qhub_calibration_age_seconds"),
    *("qhub_calibration_error_median", "qhub_job_lost_seconds"),
}
BROKER = {f"qhub_broker_{name}" for name in ("device_up", "oldest_task_seconds", "job_attempts", "job_lost_seconds", "qpu_seconds", "tasks", "task_wait_seconds")}  # fmt: skip


async def scraped(jp_fetch: Any) -> dict[str, Any]:
    answer = await jp_fetch("metrics", request_timeout=120)
    families = text_string_to_metric_families(answer.body.decode())
    return {m.name: m for m in families if m.name.startswith("qhub_") and not m.name.endswith("_created")}


async def test_a_scrape_has_the_jobs_by_state_and_cause_and_counts_what_ends(api, submit, ended, jp_fetch):
    await api.get("jobs")
    await scraped(jp_fetch)
    await ended(submit("1 / 0"))
    await api.get("jobs")
    found = await scraped(jp_fetch)
    assert found.keys() == NAMES
    (one,) = [s for s in found["qhub_jobs_ended"].samples if s.name == "qhub_jobs_ended_total"]
    assert one.value == 1
    assert one.labels == {"state": "failed", "tier": "local", "device": one.labels["device"], "cause": "code"}
    assert {s.labels.get("state") for s in found["qhub_jobs"].samples} == {"failed"}
    assert [s.value for s in found["qhub_job_run_seconds"].samples if s.name.endswith("_count")] == [1]
    assert [s.value for s in found["qhub_site_stale_seconds"].samples] == [0]
    assert [s.labels for s in found["qhub_job_lost_seconds"].samples if s.name.endswith("_total")] == [
        {"tier": "local", "cause": "code"}
    ]
    assert next(s.value for s in found["qhub_site_call_seconds"].samples if s.name.endswith("_count")) >= 1


async def test_a_scrape_alone_has_the_shelf_looked_at(place, submit, jp_serverapp, jp_fetch):
    job = submit("x = 1")

    async def told() -> bool:
        return "qhub_jobs" in await scraped(jp_fetch)

    await until(told, what="the jobs in a scrape")
    job.wait(120)


def test_dashboard_and_alerts_name_only_series_that_there_are() -> None:
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    texts = [t["expr"] for panel in dashboard["panels"] for t in panel["targets"]]
    texts.append((MONITORING / "alerts.yml").read_text())
    named = {name for text in texts for name in re.findall(r"qhub_[a-z_]+", text)}
    endings = ("", "_total", "_bucket", "_sum", "_count")
    assert named <= {name + ending for name in NAMES | BROKER for ending in endings} | {"qhub_ext"}


def test_the_alert_rules_pass_promtool() -> None:
    try:
        need("prometheus", shutil.which("promtool") is not None)
    except Unavailable as why:
        pytest.skip(str(why))
    done = subprocess.run(
        ["promtool", "check", "rules", str(MONITORING / "alerts.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
