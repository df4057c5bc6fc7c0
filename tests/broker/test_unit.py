"""The systemd unit that is shipped: systemd accepts it, and the broker its words."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from unittest.mock import Mock

import pytest

from qhub_ext.broker.__main__ import _sweep
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.listening import unix_socket
from qhub_ext.errors import SettingsError
from tests.broker.conftest import Broker
from tests.qpu.conftest import VirtualQpu

UNIT = files("qhub_ext.broker") / "systemd" / "qhub-broker.service"


def words() -> list[str]:
    (line,) = [line for line in UNIT.read_text().splitlines() if line.startswith("ExecStart=")]
    return line.removeprefix("ExecStart=").split()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_systemd_has_nothing_to_say_against_the_unit(tmp_path: Path) -> None:
    adapted = UNIT.read_text().replace("/opt/qhub/bin/python", sys.executable).replace("User=qhub", "User=root")
    (tmp_path / "qhub-broker.service").write_text(adapted)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "qhub-broker.service")], capture_output=True, text=True, timeout=120
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "qhub-broker" in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
def test_a_broker_that_is_broken_into_could_reach_little_of_its_host(tmp_path: Path) -> None:
    """By the marks that systemd gives; 10 would be a service of root without a fence."""
    unit = tmp_path / "qhub-broker.service"
    unit.write_text(UNIT.read_text())
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=25", str(unit)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_units_own_words_start_a_broker_at_its_socket(server: VirtualQpu, tmp_path: Path) -> None:
    """In folders of the test, for a virtual device and without a cluster."""
    python, *options = words()
    assert python == "/opt/qhub/bin/python"
    moved = [one.replace("/var/lib/qhub", str(tmp_path)).replace("/run/qhub", str(tmp_path)) for one in options]
    assert moved[:3] == ["-m", "qhub_ext.broker", "--directory"]
    moved.remove("--slurm")
    broker = Broker(tmp_path / "broker", server, options=tuple(moved[4:]))
    broker.start()
    try:
        assert broker.socket == tmp_path / "broker.sock"
        assert broker.ask("GET", "/health")["ok"]
    finally:
        broker.stop()


def test_a_socket_takes_the_place_of_one_that_was_left_and_of_nothing_else(tmp_path: Path) -> None:
    at = tmp_path / "broker.sock"
    unix_socket(at, 0o600).close()
    with unix_socket(at, 0o600), pytest.raises(SettingsError, match="Another broker listens at"):
        unix_socket(at, 0o600)
    kept = tmp_path / "thesis.txt"
    kept.write_text("mine")
    for other in (kept, tmp_path):
        with pytest.raises(SettingsError, match="there is something else"):
            unix_socket(other, 0o600)
    assert kept.read_text() == "mine"


def test_what_goes_wrong_in_one_sweep_ends_not_those_that_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path / "ledger", ["kingston"])
    desk.sessions.open(5001, "alice", profile="test", job="7")
    asked = []

    def gone(_: object) -> set[str]:
        asked.append(1)
        if len(asked) > 1:
            desk.close()
            return {"7"}
        raise RuntimeError("a fault of ours")

    _sweep(desk, Mock(gone=gone), 0.0)
    assert "a fault of ours" in caplog.text
    assert desk.ledger.open_sessions() == []
    desk.ledger.close()


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"QHUB_BROKER_DATABASE": "postgresql:///qhub?host=/nowhere"}, "The broker's ledger"),
        ({"QHUB_BROKER_PORT": "taken"}, "cannot listen at 127.0.0.1:"),
        ({"QHUB_CONFIG": "/nowhere/qhub.toml"}, "QHUB_CONFIG names /nowhere/qhub.toml"),
    ],
)
def test_a_broker_that_cannot_start_says_why_in_one_line(
    environment: dict[str, str], said: str, server: VirtualQpu, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        given = {name: port if value == "taken" else value for name, value in environment.items()}
        done = subprocess.run(
            [sys.executable, "-m", "qhub_ext.broker", "--directory", str(tmp_path), "--device", "kingston"],
            env=os.environ | {"QHUB_QPU_VIRTUAL_DIRECTORY": str(server.directory)} | given,
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert said in line
