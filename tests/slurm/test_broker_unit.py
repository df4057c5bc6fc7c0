"""The systemd unit of the broker, carried out as systemd would: its user, folders, environment, sandbox and filters, its own ExecStart, before a real cluster.

What `systemd-analyze` says of it is in tests/broker/test_unit.py.
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from configparser import ConfigParser
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import pytest

from qhub_ext.capture.request import Request
from qhub_ext.job.state import State
from qhub_ext.service import JobService
from qhub_ext.settings import BrokerSettings, QpuSettings, Settings, SlurmSettings
from qhub_ext.tiers.qpu.brokered import ask_broker
from tests.qpu.conftest import VirtualQpu, running_server
from tests.qpu.test_jobs import CELL
from tests.slurm.cluster import Cluster
from tests.slurm.everybody import USER, install
from tests.waiting import wait_until

UNIT = ConfigParser(strict=False, interpolation=None)
UNIT.optionxform = str  # type: ignore[assignment, method-assign]
UNIT.read_string((files("qhub_ext.broker") / "systemd" / "qhub-broker.service").read_text())
SERVICE = UNIT["Service"]
FILTERS = Path(__file__).with_name("unit_filters.py")

# ProtectSystem=strict, ProtectHome=read-only, PrivateTmp=yes, without PrivateDevices: all is read-only but the unit's own folders and a /tmp of its own
SANDBOX = """
cluster=$1; shift
for own in "$1" "$2"; do mount --bind "$own" "$own"; done; shift 2
kept=$(mktemp -d -p /run); mount --bind "$cluster" "$kept"
mount -t tmpfs tmpfs /tmp
mkdir -p "$cluster"; mount --bind "$kept" "$cluster"; umount "$kept"; rmdir "$kept"
mount -o remount,bind,ro /
exec "$@"
"""


@dataclass
class Service:
    """The unit on this host, with a folder of the test in the place of /opt, /etc, /run and /var/lib."""

    base: Path
    user: str
    cluster: Cluster
    process: subprocess.Popen[bytes] | None = None

    def here(self, text: str) -> str:
        for place in ("/opt/qhub", "/etc/qhub", "/run/qhub", "/var/lib/qhub"):
            text = text.replace(place, str(self.base / place[1:].replace("/", "-")))
        return text

    @property
    def socket(self) -> Path:
        return Path(self.here("/run/qhub/broker.sock"))

    @property
    def log(self) -> Path:
        return self.base / "journal"

    def start(self) -> None:
        entry = pwd.getpwnam(self.user)
        state, runtime = (
            Path(self.here(f"{above}/{SERVICE[key]}"))
            for above, key in (("/var/lib", "StateDirectory"), ("/run", "RuntimeDirectory"))
        )
        for folder, mode in ((state, "0755"), (runtime, SERVICE["RuntimeDirectoryMode"])):
            folder.mkdir(exist_ok=True)
            folder.chmod(int(mode, 8))
            shutil.chown(folder, entry.pw_uid, entry.pw_gid)
        given = dict(word.split("=", 1) for word in self.here(SERVICE["Environment"]).split())
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            "LANG": "C.UTF-8",
            **dict.fromkeys(("USER", "LOGNAME"), self.user),
            "HOME": entry.pw_dir,
            "SHELL": entry.pw_shell,
            "STATE_DIRECTORY": str(state),
            "RUNTIME_DIRECTORY": str(runtime),
            **given,
            "SLURM_CONF": self.cluster.environment[
                "SLURM_CONF"
            ],  # the guide's line for a cluster that is not in /etc/slurm
        }
        become = [
            "setpriv",
            f"--reuid={self.user}",
            f"--regid={entry.pw_gid}",
            "--clear-groups",
            "--no-new-privs",
            "--bounding-set=-all",
            "--",
        ]
        command = self.here(SERVICE["ExecStart"]).split()
        filters = [command[0], "-ISB", str(FILTERS), SERVICE["SystemCallFilter"], SERVICE["RestrictAddressFamilies"]]
        own = [str(self.cluster.root), str(state), str(runtime)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", "sh", "-euc", SANDBOX, "sh", *own, *become, *filters, *command],
                env=environment, cwd="/", umask=0o022, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        wait_until(self.answers, within_s=120, what="an answer of the broker")

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(ask_broker(self.socket, "GET", "/health")["ok"])
        except Exception:
            return False

    def end(self, number: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(float(SERVICE["TimeoutStopSec"]))


@pytest.fixture
def device(tmp_path: Path) -> Iterator[VirtualQpu]:
    with running_server(tmp_path / "virtual-qpu") as server:
        yield server


@pytest.fixture
def service(cluster: Cluster, device: VirtualQpu) -> Iterator[Service]:
    """A user of the system, an environment and settings, as the operators' guide makes them."""
    mark = secrets.token_hex(3)
    base, user = Path(f"/var/lib/qhub-unit-{mark}"), f"qhub-u{mark}"
    base.mkdir(mode=0o755)
    made = Service(base, user, cluster)
    try:
        subprocess.run(["useradd", "--system", "--home-dir", made.here("/var/lib/qhub"), user], check=True)
        install(cluster, Path(made.here("/opt/qhub")))
        etc = Path(made.here("/etc/qhub"))
        etc.mkdir()
        secret = etc / "kingston"
        secret.touch(0o600)
        told = device.config
        hidden = [f"{name}={told.pop(name)}\n" for name in ("QRMI_IBM_QCS_IAM_APIKEY", "QRMI_IBM_QCS_SERVICE_CRN")]
        secret.write_text("".join(hidden))
        shutil.chown(secret, user)
        resource = {"type": "ibm-quantum-compute-service", "secrets": str(secret)}
        lines = [f"{name} = {json.dumps(value)}\n" for name, value in resource.items()]
        table = ", ".join(f"{name} = {json.dumps(value)}" for name, value in told.items())
        (etc / "qhub.toml").write_text(f"[qpu.resources.ibm_kingston]\n{''.join(lines)}environment = {{ {table} }}\n")
        yield made
    finally:
        if made.process is not None and made.process.poll() is None:
            made.end(signal.SIGTERM)
        subprocess.run(["userdel", user], capture_output=True, check=False)
        shutil.rmtree(base)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_unit_serves_jobs_of_the_cluster_as_its_own_user_and_writes_nowhere_but_into_its_folders(
    service: Service, cluster: Cluster, device: VirtualQpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.start()
    assert service.process is not None
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{service.process.pid}/status").read_text().splitlines())
    assert {int(word) for word in status["Uid"].split()} == {pwd.getpwnam(service.user).pw_uid}
    assert (int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"]) == (0, "1", "2")
    asked = f"from pathlib import Path; from qhub_ext.tiers.qpu.brokered import ask_broker; print(ask_broker(Path({str(service.socket)!r}), 'GET', '/health')['ok'])"
    assert cluster.run(service.here("/opt/qhub/bin/python"), "-c", asked, user=USER).stdout.strip() == "True"

    monkeypatch.setenv("QHUB_BROKER_SOCKET", str(service.socket))
    settings = Settings(
        shelf=tmp_path / "shelf", cache=tmp_path / "cache", site="slurm", qpu=QpuSettings(virtual="never"),
        broker=BrokerSettings(socket=service.socket), slurm=SlurmSettings(poll_s=0.1, poll_max_s=0.5),
    )  # fmt: skip
    users = JobService(settings)
    job = users.submit(users.draft(Request(tier="qpu"), CELL))
    record = job.wait(180)
    assert record.state is State.COMPLETED, f"{job.explain()}\n{service.log.read_text()[-4000:]}"
    assert sum(job["counts"].values()) == 500

    assert service.end(signal.SIGKILL) == -signal.SIGKILL
    service.start()  # as Restart=always does, with the runtime folder preserved
    (used,) = ask_broker(service.socket, "GET", "/v1/usage")["usage"]
    assert used["job"] == record.site_id
    assert service.end(signal.SIGTERM) in (0, -signal.SIGTERM), "systemd calls both a clean end"
    written = {path for path in service.base.rglob("*") if path.stat().st_uid == pwd.getpwnam(service.user).pw_uid}
    outside = [
        p
        for p in written
        if not p.is_relative_to(service.here("/var/lib/qhub")) and not p.is_relative_to(service.here("/run/qhub"))
    ]
    assert outside == [Path(service.here("/etc/qhub/kingston"))]
    held = b"".join(p.read_bytes() for p in written if p.is_file() and p.name != "kingston")
    assert device.key.encode() not in held + service.log.read_bytes()
    assert not os.path.ismount(service.base)
