"""JupyterHub with batchspawner, by the operators' guide's own lines: each user's server is a job of Slurm, and their cells are jobs beside it."""

from __future__ import annotations

import json
import pwd
import re
import secrets
import shutil
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import folder_of
from qhub_ext.jobfolder.outcome import read_record
from tests.browser.hub import PROXY, Hub, running
from tests.slurm.cluster import Cluster
from tests.slurm.everybody import REPOSITORY, USER, install
from tests.waiting import wait_until

GUIDE = (REPOSITORY / "docs" / "operators.md").read_text().partition("**With batchspawner**")[2]
CONFIGURATION, SITE_FILE = (re.findall(rf"(?ms)^```{language}\n(.*?)^```", GUIDE)[0] for language in ("python", "toml"))
PREFIX = "/shared/environments/qhub"
LAB = Path(sysconfig.get_path("data")) / "share" / "jupyter" / "lab"

# what is of this machine: one host with the names of five nodes, no sudo, and servers on loopback alone
HERE = """
import batchspawner
from traitlets import Unicode

class Spawner(batchspawner.SlurmSpawner):
    ip = Unicode("127.0.0.1", config=True)

c.JupyterHub.spawner_class = Spawner
c.Spawner.environment = {{"SLURM_CONF": {slurm_conf!r}}}
c.Spawner.args = ["--LabApp.app_dir={lab}"]
c.SlurmSpawner.exec_prefix = "setpriv --reuid={{username}} --regid={{username}} --init-groups --"
c.SlurmSpawner.req_memory = "1000M"
c.SlurmSpawner.state_exechost_re = "."
c.SlurmSpawner.state_exechost_exp = "127.0.0.1"
c.JupyterHub.services = [{{"name": "test", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [{{"name": "test", "services": ["test"], "scopes": ["admin:users", "admin:servers", "admin:server_state", "tokens"]}}]
"""

CELL = """
import os, pathlib, time
print("runs in job", os.environ["SLURM_JOB_ID"], flush=True)
until = time.monotonic() + 600
while not pathlib.Path({gate!r}).exists() and time.monotonic() < until:
    time.sleep(0.1)
seen = sorted(os.environ)
"""


class Api:
    """The hub's, and with a user's token that user's own server."""

    def __init__(self, hub: Hub, token: str) -> None:
        self.hub, self.token = hub, token

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.hub.address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code} {error.read()[-2000:].decode()}") from error
        return json.loads(text) if text else None


@pytest.fixture
def operator(cluster: Cluster, tmp_path: Path) -> Iterator[Api]:
    """Of a hub that runs by the guide."""
    if not PROXY.exists():
        pytest.skip("The hub's proxy is not here: `make front` installs it.")
    prefix = cluster.root / "environment"
    install(
        cluster,
        prefix,
        jupyterhub_singleuser="jupyterhub.singleuser:main",
        batchspawner_singleuser="batchspawner.singleuser:main",
    )
    etc = prefix / "etc" / "jupyter"
    shutil.copytree(REPOSITORY / "jupyter-config" / "server-config", etc / "jupyter_server_config.d")
    (etc / "qhub.toml").write_text(SITE_FILE)
    token = secrets.token_hex(16)
    here = HERE.format(slurm_conf=cluster.environment["SLURM_CONF"], lab=LAB, token=token)
    guide = CONFIGURATION.replace(PREFIX, str(prefix)).replace('"compute"', '"emulation"')
    with running(Hub(tmp_path, more=guide + here)) as hub:
        yield Api(hub, token)
    shutil.rmtree(prefix)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_cell_of_a_server_on_a_node_is_a_job_of_its_own_and_outlives_the_server(
    operator: Api, cluster: Cluster
) -> None:
    operator.ask("POST", f"hub/api/users/{USER}")
    operator.ask("POST", f"hub/api/users/{USER}/server")

    def server() -> Any:
        return operator.ask("GET", f"hub/api/users/{USER}")["servers"].get("", {})

    wait_until(
        lambda: server().get("ready"),
        within_s=240,
        every_s=0.2,
        what=f"the server of {USER}\n{operator.hub.log[-4000:]}",
    )
    its_job = server()["state"]["job_id"]
    assert cluster.ask("squeue", "-h", "-j", its_job, "-o", "%u %T").split() == [USER, "RUNNING"]

    alice = Api(operator.hub, operator.ask("POST", f"hub/api/users/{USER}/tokens", {"note": "test"})["token"])
    gate = cluster.root / f"gate-{secrets.token_hex(4)}"
    cell = {"source": CELL.format(gate=str(gate)), "name": "outlives", "tier": "local"}
    job = alice.ask("POST", f"user/{USER}/qhub_ext/jobs", cell)["id"]
    folder = folder_of(Path(pwd.getpwnam(USER).pw_dir) / ".local" / "share" / "qhub" / "jobs", job)
    wait_until(lambda: read_record(folder).state is State.RUNNING, within_s=240, what="the cell's start")
    site_id = read_record(folder).site_id
    assert site_id != its_job
    assert cluster.ask("squeue", "-h", "-j", str(site_id), "-o", "%u").split() == [USER]

    operator.ask("DELETE", f"hub/api/users/{USER}/server")
    wait_until(lambda: not server(), within_s=120, every_s=0.2, what="the end of the server")
    wait_until(
        lambda: its_job not in cluster.ask("squeue", "-h", "-o", "%i").split(), within_s=120, what="the end of its job"
    )
    assert read_record(folder).state is State.RUNNING
    gate.touch()
    record = wait_until(lambda: (r := read_record(folder)).state.final and r, within_s=240, what="the end of the cell")
    assert record.state is State.COMPLETED, record
