"""`doctor`: the way of a job looked at from one end to the other, each step with what to mend."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import tempfile
from importlib.util import find_spec
from typing import TYPE_CHECKING

from qhub_ext.errors import QhubError
from qhub_ext.sites.scheduler import Finding

if TYPE_CHECKING:
    from qhub_ext.service.jobs import JobService

NEEDED = ("qiskit", "qiskit-aer", "qiskit-ibm-runtime", "ipykernel", "pyzmq", "cloudpickle")
LOW_DISK_MB = 500


def examine(service: JobService) -> list[Finding]:
    from qhub_ext.service import broker_checkup

    found = [*_packages(), *_shelf(service), *_devices(service), *_windows(service)]
    return [*found, *broker_checkup.examine(service.settings), *_site(service)]


def _packages() -> list[Finding]:
    findings = []
    missing = []
    versions = {}
    for name in NEEDED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    findings.append(Finding("ok", f"Python {sys.version.split()[0]} at {sys.executable}.", facts=versions))
    findings.append(Finding("ok", ", ".join(f"{n} {v}" for n, v in versions.items()) + "."))
    if missing:
        findings.append(
            Finding(
                "failure",
                f"Not installed here: {', '.join(missing)}.",
                f"{sys.executable} -m pip install {' '.join(missing)}",
            )
        )
    if find_spec("qrmi") is None:
        findings.append(
            Finding(
                "warning",
                "The package qrmi is not installed: the tier 'qpu' is closed.",
                "local and emulation work without it.",
            )
        )
    return findings


def _shelf(service: JobService) -> list[Finding]:
    path = service.settings.shelf
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        free_mb = shutil.disk_usage(path).free // 2**20
    except OSError as error:
        return [
            Finding(
                "failure",
                f"Job folders cannot be written to {path}: {error.strerror}.",
                "Set `shelf` in qhub.toml or QHUB_SHELF.",
            )
        ]
    mode = path.stat().st_mode & 0o077
    findings = [Finding("ok", f"Job folders lie in {path}, {free_mb / 1024:.1f} GiB free.", facts={"shelf": str(path)})]
    if mode & 0o022:
        findings.append(Finding("failure", f"{path} can be written to by others.", f"chmod 700 {path}"))
    if free_mb < LOW_DISK_MB:
        findings.append(Finding("warning", f"Only {free_mb} MiB are free in {path}.", "Remove old job folders."))
    return findings


def _devices(service: JobService) -> list[Finding]:
    from qhub_ext.tiers import catalog

    devices = catalog.list_devices(service.settings.cache)
    if not devices:
        return [
            Finding(
                "failure", "No calibration snapshot was found.", f"{sys.executable} -m pip install qiskit-ibm-runtime"
            )
        ]
    try:
        catalog.resolve(service.settings.device)
    except QhubError as error:
        return [Finding("failure", f"The default device is not known: {error.message}", error.advice)]
    return [
        Finding("ok", f"{len(devices)} devices have a calibration snapshot; the default is {service.settings.device}.")
    ]


def _windows(service: JobService) -> list[Finding]:
    from qhub_ext.service.announced import announced
    from qhub_ext.tiers.qpu.resources import list_resources

    settings = service.settings.qpu
    if not settings.windows:
        return []
    told = announced(settings, [resource.device for resource in list_resources(settings)])
    findings = [Finding("warning", slip.sentence, slip.advice) for slip in told.slips]
    if told.windows:
        count = len(told.windows)
        findings.append(Finding("ok", f"{count} calibration window{'s are' if count > 1 else ' is'} announced."))
    return findings


def _site(service: JobService) -> list[Finding]:
    findings = []
    for name in service.settings.all_sites:
        try:
            findings += service.site(name).doctor()
        except QhubError as error:
            findings.append(Finding("failure", error.message, error.advice))
    return findings
