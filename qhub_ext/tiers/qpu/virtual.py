"""A virtual QPU on demand: one server per user and host, which leaves when nobody has asked it for a while.

It says what it is wherever it can be seen. The server is `python -m qhub_ext.virtualqpu`; here is who starts it and finds it.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from qhub_ext.errors import Cause, DeviceError
from qhub_ext.settings import QpuSettings
from qhub_ext.tiers.qpu import qcs
from qhub_ext.tiers.qpu.on_demand import OnDemand
from qhub_ext.tiers.qpu.resources import Resource

NEEDED = ("qrmi", "fastapi", "uvicorn", "qiskit_qasm3_import")
SEQUENCE_DEVICES = ("FRESNEL", "EMU_FREE", "EMU_FRESNEL", "EMU_MPS")
"""Devices that take Pulser sequences, by the names of Pasqal's cloud."""
IQM_DEVICES = ("garnet",)
"""Devices that take circuits of IQM's gates."""
FOR_SEQUENCES = ("pulser", "pulser_simulation")


def missing_packages(device: str = "") -> list[str]:
    needed = (*NEEDED, *FOR_SEQUENCES) if device in SEQUENCE_DEVICES else NEEDED
    return [name for name in needed if find_spec(name) is None]


def require_packages(device: str = "") -> None:
    """Raises DeviceError."""
    missing = missing_packages(device)
    if missing:
        raise DeviceError(
            f"A virtual QPU needs packages that are not installed: {', '.join(missing)}.",
            advice=f"pip install 'qhub-ext[{'pasqal' if device in SEQUENCE_DEVICES else 'qpu'}]'",
            cause=Cause.ENVIRONMENT,
        )


def virtual_resource(device: str, settings: QpuSettings) -> Resource:
    """The virtual QPU of a device, started when it is not up. Raises DeviceError."""
    require_packages(device)
    server = running_server(settings)
    url = server["url"]
    source = f"a virtual QPU at {url}"
    if device in SEQUENCE_DEVICES:
        config = {
            "QRMI_PASQAL_CLOUD_BASE_URL": url,
            "QRMI_PASQAL_CLOUD_PROJECT_ID": "virtual",
            "QRMI_PASQAL_CLOUD_CLIENT_ID": "virtual",
            "QRMI_PASQAL_CLOUD_CLIENT_SECRET": server["key"],
            "QRMI_PASQAL_CLOUD_AUTH_ENDPOINT": f"{url}/identity/pasqal",
        }
        return Resource(device, "pasqal-cloud", source, device, config, virtual=True)
    mark = server["cycles"].get(device, "")
    if device in IQM_DEVICES:
        config = {"QRMI_IQM_ISA_ENDPOINT": f"{url}/iqm", "QRMI_IQM_ISA_TOKEN": server["key"]}
        # another server knows other calibration sets: what the one before said does not hold
        return Resource(
            device, "iqm-server", source, device, config, virtual=True, mark=mark or str(server["instance"])
        )
    config = qcs.client_config(url, server["key"], "virtual")
    return Resource(device, qcs.TYPE, source, device, config, virtual=True, mark=mark)


def running_server(settings: QpuSettings) -> dict[str, Any]:
    """Address and key of the virtual QPU, which is started when it is not up. Raises DeviceError."""
    require_packages()
    return _server(settings).up()


def running_resource(device: str, settings: QpuSettings) -> Resource | None:
    """The virtual QPU of a device, where its server is up."""
    return (
        virtual_resource(device, settings) if not missing_packages(device) and _running(settings) is not None else None
    )


def virtual_standing(settings: QpuSettings) -> dict[str, dict[str, Any]]:
    """How the virtual devices stand that somebody has used: see `House.standing`. Nothing is started for it."""
    server = _running(settings)
    return {} if server is None else server["standing"]


def _running(settings: QpuSettings) -> dict[str, Any] | None:
    try:
        server: dict[str, Any] = json.loads((settings.virtual_directory / "server.json").read_text())
        with _open(f"{server['url']}/health") as answer:
            health = json.load(answer)
    except (OSError, ValueError, KeyError):
        return None
    same = (
        health.get("instance") == server.get("instance")
        and health.get("version") == import_module("qhub_ext").__version__
    )
    return {**server, **{name: health.get(name, {}) for name in ("cycles", "standing")}} if same else None


def _server(settings: QpuSettings) -> OnDemand[dict[str, Any]]:
    cycle = settings.virtual_cycle_s
    options = [
        *("--directory", str(settings.virtual_directory)),
        *("--speed", str(settings.virtual_speed)),
        *(() if cycle is None else ("--cycle", f"{cycle:.0f}s")),
        "--on-demand",
    ]
    return OnDemand("The virtual QPU", settings.virtual_directory, "qhub_ext.virtualqpu", options, lambda: _running(settings))  # fmt: skip


def _open(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(url, timeout=5.0)
