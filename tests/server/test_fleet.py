"""The operators' view asks the site's broker, under a permission of its own, and says where there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from qhub_ext.display.fleet import fleet_plotly
from qhub_ext.jobfolder.outbox import Outbox
from qhub_ext.server.schemas import SCHEMAS
from tests.broker.conftest import Broker
from tests.fleet.planted import Site
from tests.fleet.test_store import summary
from tests.qpu.conftest import VirtualQpu
from tests.qpu.conftest import server as virtual
from tests.server.conftest import until
from tests.server.policy import Policy

__all__ = ["virtual"]


@pytest.fixture(scope="module")
def broker(virtual: VirtualQpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("broker") / "b", virtual)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any]) -> dict[str, Any]:
    jp_server_config["ServerApp"]["authorizer_class"] = "tests.server.policy.Policy"
    return jp_server_config


async def test_without_a_broker_it_says_so(api) -> None:
    assert (await api.get("fleet")).body == {"broker": False, "overview": None, "levels": None, "figure": None}


async def test_clusters_groups_and_levels_come_from_the_broker(
    api, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Site().rows(60, 1)
    told = [
        summary(n, node=row["node"], state=row["state"], cause=row["cause"], signature=row["signature"], running_at=1e9)
        for n, row in enumerate(rows)
    ]
    broker.ask("POST", "/v1/summaries", {"summaries": told})
    monkeypatch.setenv("QHUB_BROKER_SOCKET", str(broker.socket))
    found = (await api.get("fleet", by="node", days=7)).body
    assert list(Draft202012Validator(SCHEMAS["Fleet"]).iter_errors(found)) == []
    assert found["overview"]["names"] is True
    assert found["figure"] == json.loads(json.dumps(fleet_plotly(found["overview"])))
    assert found["figure"]["data"]
    assert found["overview"]["jobs"] == 60
    assert {group["key"] for group in found["overview"]["groups"]} == {row["node"] for row in rows}
    assert [p["profile"] for p in found["levels"]["profiles"]][:3] == ["production", "test", "development"]


async def test_a_broker_that_is_away_is_an_error_with_its_words(
    api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QHUB_BROKER_SOCKET", str(tmp_path / "none"))
    answer = await api.get("fleet")
    assert answer.status == 502
    assert "cannot be reached" in answer["message"]


async def test_it_has_a_permission_of_its_own(api, jp_serverapp) -> None:
    policy: Policy = jp_serverapp.authorizer
    policy.allow = lambda action, resource: resource != "qhub_ext:fleet"
    assert (await api.get("fleet")).status == 403
    assert (await api.get("status")).status == 200


async def test_the_explanation_of_a_job_says_whether_others_meet_the_same(
    api, place, submit, ended, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = submit("1 / 0", tier="local")
    assert (await ended(alone))["state"] == "failed"
    assert (await api.get(f"jobs/{alone.id}/explain", others=1))["others"] == ""
    monkeypatch.setenv("QHUB_BROKER_SOCKET", str(broker.socket))
    Outbox(place.shelf.path).open()  # as a submission does where a broker is configured
    job = submit("1 / 0", tier="local")
    assert (await ended(job))["state"] == "failed"

    async def others() -> dict[str, Any] | None:
        answer = await api.get(f"jobs/{job.id}/explain", others=1)
        return answer.body if answer["others"] else None

    told = await until(others)
    assert told["others"].startswith("Too few to say whether it is systemic: ")
    assert list(Draft202012Validator(SCHEMAS["Explanation"]).iter_errors(told)) == []
    assert (await api.get(f"jobs/{job.id}/explain"))["others"] == ""  # who does not ask does not wait for the broker
