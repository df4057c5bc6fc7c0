"""The device of a job before it is sent: whether there is one of that name that takes the job, and what stands for it on the tier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qhub_ext.errors import PreflightError, QhubError
from qhub_ext.job.context import TIERS, unknown_tier
from qhub_ext.job.spec import JobSpec
from qhub_ext.tiers import catalog
from qhub_ext.tiers.catalog import DeviceBounds

if TYPE_CHECKING:
    from qhub_ext.settings import Settings

VIRTUAL = "virtual (simulated)"


def resource_title(tier: str | None, device: str, site: str, settings: Settings) -> str:
    """What stands for the device on a tier: "" for a simulated one.

    Raises PreflightError or DeviceError where no quantum resource, not even a virtual one, stands for it.
    """
    if tier != "qpu":
        return ""
    if settings.broker.own is not None:
        return ", ".join(filter(None, ("broker", _direct_title(device, site, settings))))
    if settings.broker.shared is not None:
        from qhub_ext.tiers.qpu.brokered import simulated_at

        return f"broker, {VIRTUAL}" if simulated_at(settings.broker.shared, device) else "broker"
    return _direct_title(device, site, settings)


def _direct_title(device: str, site: str, settings: Settings) -> str:
    from qhub_ext.tiers.qpu.resources import resource_for
    from qhub_ext.tiers.qpu.virtual import missing_packages

    resource = resource_for(device, settings.qpu)
    if resource is not None:
        return resource.name if resource.name != device else ""
    if site == "slurm" and settings.slurm.device(device) is not None:
        return ""  # the job's own environment names the resource, when the site has granted it
    why = "this site offers none"
    if settings.qpu.virtual_at(site):
        missing = missing_packages(device)
        if not missing:
            return VIRTUAL
        why = f"a virtual one needs packages that are not installed ({', '.join(missing)}: pip install 'qhub-ext[qpu]')"
    raise PreflightError(
        f"The tier 'qpu' needs a quantum resource that stands for {device}, and {why}.",
        advice="Run on --tier emulation: the same cell, with the noise of the device's calibration snapshot.",
    )


def check_device(spec: JobSpec) -> DeviceBounds:
    """Raises UnknownNameError for a tier or device, PreflightError for more shots than it takes."""
    if spec.tier not in TIERS:
        raise unknown_tier(spec.tier)
    device = _bounds(spec.device)
    if spec.shots is not None and device.max_shots and spec.shots > device.max_shots:
        raise PreflightError(
            f"--shots {spec.shots} is more than {device.name} takes in one run: {device.max_shots}.",
            advice="Ask for fewer, or send several PUBs.",
        )
    return device


def _bounds(name: str) -> DeviceBounds:
    """Of a device of the site's own, its resource is asked where that was never done; where it cannot be asked from here, nothing is
    known before the job runs.
    """
    own_name = catalog.resolve(name)
    if own_name not in catalog.packaged_names():
        from qhub_ext.tiers.site_devices import ensure, takes_circuits

        if not takes_circuits(own_name):
            return DeviceBounds(own_name, 0, 0)
        try:
            ensure(own_name)
        except QhubError:
            return DeviceBounds(own_name, 0, 0)
    return catalog.bounds_of(own_name)
