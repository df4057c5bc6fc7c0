"""`qhub doctor` where the tier qpu goes through a broker: reachable, of which version, with which clock, and what it makes of my jobs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from qhub_ext.broker.membership import SlurmJobs
from qhub_ext.broker.profiles import DEFAULTS, Rule
from qhub_ext.service import broker_checkup
from qhub_ext.settings import Settings
from tests.broker.conftest import Broker
from tests.broker.house import ALICE, OPERATOR, Ask
from tests.qpu.conftest import VirtualQpu


@pytest.fixture(scope="module")
def broker(server: VirtualQpu, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    made = Broker(tmp_path_factory.mktemp("doctored") / "broker", server)
    made.start()
    try:
        yield made
    finally:
        made.stop()


def told(level: str, socket: Path, **more: object) -> list[str]:
    settings = Settings.model_validate({"broker": {"socket": socket}, "device": "kingston", **more})
    return [f"{f.what} {f.advice}" for f in broker_checkup.examine(settings) if f.level == level]


def test_a_broker_that_is_well_is_told_with_the_profile_that_my_tasks_have(broker: Broker) -> None:
    assert told("failure", broker.socket) + told("warning", broker.socket) == []
    good = " ".join(told("ok", broker.socket))
    for words in ("answers in", "clock agrees", "serves kingston", "have the profile development, and you may give"):
        assert words in good


def test_what_does_not_fit_is_named_with_what_would(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the default device fez. It serves kingston" in " ".join(told("warning", broker.socket, device="fez"))
    (failure,) = told("failure", broker.socket, profile="beamtime")
    assert "'beamtime'" in failure
    assert "development" in failure
    (failure,) = told("failure", broker.socket, site="slurm")
    assert "takes the word of the user who started it. Start it with --slurm" in failure
    monkeypatch.setattr(broker_checkup, "__version__", "0.0.1")
    monkeypatch.setattr(
        broker_checkup, "time", SimpleNamespace(time=lambda: time.time() + 90, monotonic=time.monotonic)
    )
    warnings = " ".join(told("warning", broker.socket))
    assert "this environment 0.0.1" in warnings
    assert "differ by 90 s" in warnings


def test_a_broker_of_ones_own_takes_devices_as_they_are_named(broker: Broker) -> None:
    given = {"broker": {"directory": broker.directory, "on_demand": True}, "device": "fez"}
    findings = broker_checkup.examine(Settings.model_validate(given))
    assert [f.what for f in findings if f.level != "ok"] == []
    assert "It serves kingston, and takes others as tasks name them." in [f.what for f in findings]


def test_a_drained_device_is_a_warning_with_its_note(broker: Broker) -> None:
    broker.ask("POST", "/v1/devices/kingston/drain", {"note": "helium"})
    try:
        (warning,) = told("warning", broker.socket)
    finally:
        broker.ask("POST", "/v1/devices/kingston/resume")
    assert "kingston is drained: helium" in warning


def test_a_broker_that_is_not_there_is_one_failure_that_says_how_to_start_it(tmp_path: Path) -> None:
    (failure,) = told("failure", tmp_path / "nowhere.sock")
    assert "cannot be reached" in failure
    assert "qhub broker serve" in failure
    (tmp_path / "left.sock").touch()
    (failure,) = told("failure", tmp_path / "left.sock")
    assert "nobody listens" in failure


def test_the_cluster_says_which_profile_a_job_has_and_not_its_user(ask: Ask) -> None:
    mine = ask(ALICE, "GET", "/v1/me?profile=test").json()
    assert (mine["profile"], mine["operator"], mine["jobs"]) == ("test", False, "one user")
    assert ask(OPERATOR, "GET", "/v1/me").json()["operator"]
    assert ask(None, "GET", "/v1/me").status_code == 401
    slurm = SlurmJobs({p.name: p for p in DEFAULTS}, [Rule("production", qos="beam")])
    assert slurm.would("production", "", "compute", "physics") == "development"
    assert slurm.would("development", "beam", "compute", "physics") == "production"


def test_an_address_beside_a_socket_is_for_hosts_that_have_no_such_socket(tmp_path: Path) -> None:
    def place() -> object:
        given = {"broker": {"socket": tmp_path / "broker.sock", "url": "http://login1:8731"}}
        return Settings.model_validate(given).broker.place

    assert place() == "http://login1:8731"
    (tmp_path / "broker.sock").touch()
    assert place() == tmp_path / "broker.sock"
