"""Debian's own Prometheus scrapes a real Jupyter server and a real broker: our series arrive there, and the shipped rules load."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import qhub_ext.server
from tests.broker.conftest import Broker
from tests.broker.daemons import need
from tests.fleet.test_store import summary
from tests.ports import free_port
from tests.qpu.conftest import VirtualQpu
from tests.qpu.conftest import server as virtual
from tests.server.process import TOKEN
from tests.server.process import server as jupyter
from tests.slurm.packages import Unavailable
from tests.waiting import wait_until

__all__ = ["virtual"]

RULES = Path(qhub_ext.server.__file__).parent / "monitoring" / "alerts.yml"
CONFIGURATION = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: jupyter
    metrics_path: {path}metrics
    authorization: {{type: token, credentials: {token}}}
    static_configs: [{{targets: ["{server}"]}}]
  - job_name: broker
    static_configs: [{{targets: ["{broker}"]}}]
"""


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/"

    def ask(self, page: str, **query: str) -> Any:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}api/v1/{page}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def ready(self) -> bool:
        try:
            return bool(self.ask("status/buildinfo"))
        except OSError:
            return False

    def value(self, query: str) -> float | None:
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None


@pytest.fixture(scope="module")
def prometheus(virtual: VirtualQpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    try:
        need("prometheus", shutil.which("prometheus") is not None)
    except Unavailable as why:
        pytest.skip(str(why))
    path = tmp_path_factory.mktemp("prometheus")
    broker = Broker(path / "broker", virtual)
    with ExitStack() as ends:
        ends.callback(broker.stop)
        broker.start()
        broker.ask("POST", "/v1/summaries", {"summaries": [summary(1), summary(2)]})
        served = urllib.parse.urlsplit(ends.enter_context(jupyter(path / "jupyter")).url)
        port = free_port()
        target = urllib.parse.urlsplit(broker.url).netloc
        configuration = path / "prometheus.yml"
        configuration.write_text(
            CONFIGURATION.format(rules=RULES, path=served.path, token=TOKEN, server=served.netloc, broker=target)
        )
        words = [
            f"--config.file={configuration}",
            f"--storage.tsdb.path={path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        with (path / "log").open("wb") as log:
            process = subprocess.Popen(["prometheus", *words], stdout=log, stderr=log)
        ends.callback(process.wait, 60)
        ends.callback(process.terminate)
        found = Prometheus(port)
        wait_until(lambda: found.ready() or process.poll() is not None, what="Prometheus")
        assert process.poll() is None, (path / "log").read_text()
        yield found


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ('up{job="jupyter"}', 1.0),
        ('up{job="broker"}', 1.0),
        ("qhub_site_stale_seconds", 0.0),
        ('qhub_broker_device_up{device="kingston"}', 1.0),
        ('qhub_broker_job_attempts_total{state="failed",cause="integration"}', 2.0),
        ('qhub_broker_job_lost_seconds_total{cause="integration"}', 10.0),
    ],
)
def test_what_server_and_broker_count_arrives_at_prometheus(prometheus: Prometheus, query: str, value: float) -> None:
    wait_until(lambda: prometheus.value(query) == value, what=f"{query} = {value}")


def test_the_shipped_rules_are_loaded_and_evaluated(prometheus: Prometheus) -> None:
    def rules() -> list[dict[str, Any]]:
        return [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: rules() and all(rule["health"] == "ok" for rule in rules()), what="all rules evaluated")
    assert {rule["name"] for rule in rules()} >= {
        "QhubSiteSilent",
        "QhubFailuresNotOfUsers",
        "QhubDeviceDown",
        "QhubFleetFailures",
    }
