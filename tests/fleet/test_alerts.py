"""The shipped alert rules by their numbers, in promtool: silent below each threshold and before its time, and what is said at it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.broker.daemons import need
from tests.fleet.test_prometheus import RULES
from tests.slurm.packages import Unavailable

Series = dict[str, str]
"""Series -> its values, one per minute, as promtool writes them."""
MINUTES = 90


def ended(cause: str, after: int, count: int, device: str = "kingston") -> Series:
    """So many failures at once after some minutes."""
    return {
        f'qhub_jobs_ended_total{{state="failed",cause="{cause}",device="{device}"}}': f"0x{after} {count}x{MINUTES}"
    }


def attempts(cause: str, count: int) -> Series:
    return {f'qhub_broker_job_attempts_total{{state="failed",cause="{cause}",tier="qpu"}}': f"0x10 {count}x{MINUTES}"}


def always(series: str, value: float) -> Series:
    return {series: f"{value}x{MINUTES}"}


SILENT = {'qhub_site_stale_seconds{instance="a"}': "0+60x40"}
WAITS = 'qhub_queue_oldest_seconds{tier="qpu",instance="a"}'
AGE = 'qhub_calibration_age_seconds{device="fez",instance="a"}'
QUEUED = always('qhub_jobs{device="fez",tier="qpu",state="queued"}', 1)
UP = 'qhub_broker_device_up{device="fez"}'
OLDEST = 'qhub_broker_oldest_task_seconds{profile="production",device="fez"}'


@pytest.fixture(scope="module")
def promtool() -> str:
    try:
        need("prometheus", shutil.which("promtool") is not None)
    except Unavailable as why:
        pytest.skip(str(why))
    return "promtool"


# (what there is, the rule, minute, the sentence; "" for none)
CASES: tuple[tuple[Series, str, int, str], ...] = (
    (SILENT, "QhubSiteSilent", 10, ""),
    (SILENT, "QhubSiteSilent", 11, "The site scheduler has not answered a for 11m 0s."),
    (always(WAITS, 21600), "QhubJobsWaitLong", 80, ""),
    (always(WAITS, 21601), "QhubJobsWaitLong", 29, ""),
    (always(WAITS, 21601), "QhubJobsWaitLong", 30, "The oldest job of the tier qpu has waited for 6h 0m 1s."),
    (ended("device", 10, 2), "QhubFailuresNotOfUsers", 30, ""),
    (ended("device", 10, 3), "QhubFailuresNotOfUsers", 30, "3 jobs for kingston failed within an hour, by device."),
    (ended("device", 10, 3), "QhubFailuresNotOfUsers", 80, ""),
    (ended("code", 10, 30), "QhubFailuresNotOfUsers", 30, ""),
    (ended("device", 10, 2) | ended("device", 10, 2, "fez"), "QhubFailuresNotOfUsers", 30, ""),
    (always(AGE, 172801) | QUEUED, "QhubCalibrationOld", 59, ""),
    (always(AGE, 172801) | QUEUED, "QhubCalibrationOld", 60, "Jobs are under way for fez, whose newest known calibration is 2d 0h 0m 1s old."),
    (always(AGE, 172800) | QUEUED, "QhubCalibrationOld", 80, ""),
    (always(AGE, 900000), "QhubCalibrationOld", 80, ""),
    (always(UP, 0), "QhubDeviceDown", 9, ""),
    (always(UP, 0), "QhubDeviceDown", 10, "The device fez has not answered the broker for ten minutes."),
    (always(UP, 1), "QhubDeviceDown", 80, ""),
    (always(OLDEST, 3601), "QhubTasksWaitLong", 10, "The oldest task of production has waited at the broker for 1h 0m 1s."),
    (always(OLDEST, 3600), "QhubTasksWaitLong", 80, ""),
    (always(OLDEST.replace("production", "test"), 9000), "QhubTasksWaitLong", 80, ""),
    (attempts("integration", 4) | attempts("device", 4), "QhubFleetFailures", 30, ""),
    (attempts("integration", 5), "QhubFleetFailures", 30, "5 attempts at this site failed within an hour, by integration."),
    (attempts("user", 50), "QhubFleetFailures", 30, ""),
)  # fmt: skip
LABELS = {
    "QhubSiteSilent": {"instance": "a", "severity": "warning"},
    "QhubJobsWaitLong": {"tier": "qpu", "severity": "info"},
    "QhubFailuresNotOfUsers": {"device": "kingston", "cause": "device", "severity": "warning"},
    "QhubCalibrationOld": {"device": "fez", "severity": "info"},
    "QhubDeviceDown": {"device": "fez", "severity": "warning"},
    "QhubTasksWaitLong": {"profile": "production", "severity": "warning"},
    "QhubFleetFailures": {"cause": "integration", "severity": "warning"},
}


def rules() -> list[dict[str, Any]]:
    import yaml

    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def test_every_rule_has_cases_that_fire_and_cases_that_do_not() -> None:
    names = {rule["alert"] for rule in rules()}
    assert names == {name for _, name, _, said in CASES if said} == {name for _, name, _, said in CASES if not said}


def test_each_rule_fires_at_its_number_and_its_minute_and_says_so(promtool: str, tmp_path: Path) -> None:
    actions = {rule["alert"]: rule["annotations"]["action"] for rule in rules()}

    def expected(name: str, said: str) -> list[dict[str, Any]]:
        told = {"summary": said, "action": actions[name]}
        return [{"exp_labels": LABELS[name], "exp_annotations": told}] if said else []

    cases = [
        {
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [{"eval_time": f"{minute}m", "alertname": name, "exp_alerts": expected(name, said)}],
        }
        for series, name, minute, said in CASES
    ]
    file = tmp_path / "cases.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}))
    done = subprocess.run([promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
