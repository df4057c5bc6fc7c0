"""Which quantum resources there are, and for which device each stands. Reads names and addresses; asks nobody.

In this order: the job's own environment (QRMI_JOB_QPU_RESOURCES, as the SPANK plugin or a prologue of the site fills it; the names
with SLURM_ as well), the site's qrmi_config.json, qhub.toml. A resource that cannot be used is listed all the same, with the reason.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from qhub_ext.errors import DeviceError, SettingsError
from qhub_ext.settings import QpuSettings
from qhub_ext.tiers import catalog
from qhub_ext.tiers.qpu.capabilities import CAPABILITIES, Capabilities, trouble_of

DEFAULT_CONFIG = Path("/etc/slurm/qrmi_config.json")


@dataclass(frozen=True)
class Resource:
    """`config` holds the keys of QRMI, some of them secret: it is never shown. `trouble` says why it cannot be used.

    `mark`, where it is not empty, changes with each calibration of the device.
    """

    name: str
    type: str
    source: str
    device: str
    config: Mapping[str, str] = field(default_factory=dict, repr=False)
    virtual: bool = False
    brokered: bool = False
    trouble: str = ""
    mark: str = ""

    @property
    def can(self) -> Capabilities:
        """What resources of its type can do. Raises KeyError for a type that is not known, which `trouble` says."""
        return CAPABILITIES[self.type]

    @property
    def title(self) -> str:
        if self.brokered:
            return f"The broker for {self.name!r}"
        return f"The {'virtual QPU' if self.virtual else 'resource'} {self.name!r}"


def list_resources(settings: QpuSettings, environment: Mapping[str, str] | None = None) -> list[Resource]:
    """All that are named anywhere, the strongest first; a name that came before hides the later ones."""
    env = os.environ if environment is None else environment
    found: dict[str, Resource] = {}
    for resource in (*_from_job(env), *_from_config(settings), *_from_settings(settings)):
        found.setdefault(resource.name, resource)
    return list(found.values())


def resource_for(device: str, settings: QpuSettings, environment: Mapping[str, str] | None = None) -> Resource | None:
    """The one that stands for a device. Raises DeviceError for one that cannot be used; None where there is none."""
    standing = [r for r in list_resources(settings, environment) if r.device == device or r.name == device]
    usable = [r for r in standing if not r.trouble]
    if usable:
        return usable[0]
    if standing:
        raise DeviceError(
            f"{standing[0].title} cannot be used: {standing[0].trouble}", advice=f"It is named by {standing[0].source}."
        )
    return None


def prologue_trouble(environment: Mapping[str, str] | None = None) -> str:
    """What the site's prologue could not find for this job (`qhub_ext/sites/slurm/prologue.py`), "" where all went well."""
    return (os.environ if environment is None else environment).get("QRMI_JOB_QPU_TROUBLE", "")


def _from_job(env: Mapping[str, str]) -> list[Resource]:
    separator = env.get("QRMI_LIST_DELIMITER", ",")

    def words(key: str) -> list[str]:
        text = env.get(f"QRMI_JOB_QPU_{key}", env.get(f"SLURM_JOB_QPU_{key}", ""))
        return [word.strip() for word in text.split(separator) if word.strip()]

    names, types = words("RESOURCES"), words("TYPES")
    source = "the job's environment"
    if len(names) != len(types):
        trouble = f"QRMI_JOB_QPU_RESOURCES names {len(names)} and QRMI_JOB_QPU_TYPES {len(types)}."
        return [Resource(name, "", source, _device(name), trouble=trouble) for name in names]
    found = []
    for name, kind in zip(names, types, strict=True):
        config = {k.removeprefix(f"{name}_"): v for k, v in env.items() if k.startswith(f"{name}_")}
        config |= {k: v for k, v in env.items() if k.startswith("QRMI_JOB_") and "QPU" not in k}
        found.append(_checked(name, kind, source, _device(name), config))
    return found


def _from_config(settings: QpuSettings) -> list[Resource]:
    path = settings.config_file or DEFAULT_CONFIG
    try:
        record = json.loads(path.read_text())
        entries = record["resources"]
        return [
            _checked(str(e["name"]), str(e["type"]), str(path), _device(str(e["name"])), {k: str(v) for k, v in e.get("environment", {}).items()})
            for e in entries
        ]  # fmt: skip
    except FileNotFoundError:
        if settings.config_file is not None:
            raise SettingsError(f"qpu.config_file names {path}, which does not exist.", where=str(path)) from None
        return []
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", where=str(path)) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} is no qrmi_config.json: {type(error).__name__}: {error}.",
            advice='It is {"resources": [{"name": ..., "type": ..., "environment": {...}}]}.',
            where=str(path),
        ) from error


def _from_settings(settings: QpuSettings) -> list[Resource]:
    found = []
    for name, entry in settings.resources.items():
        device = _device(entry.device or name)
        config, trouble = dict(entry.environment), ""
        if entry.secrets is not None:
            try:
                config |= _read_secrets(entry.secrets.expanduser())
            except SettingsError as error:
                trouble = error.message
        found.append(_checked(name, entry.type, f"qhub.toml (qpu.resources.{name})", device, config, trouble))
    return found


def _checked(name: str, kind: str, source: str, device: str, config: Mapping[str, str], trouble: str = "") -> Resource:
    trouble = ("" if name.strip() else "its entry has no name.") or trouble_of(kind) or trouble
    return Resource(name, kind, source, device, config, trouble=trouble)


def _device(name: str) -> str:
    """The device that a resource's name means: `ibm_kingston` is kingston; an unknown one stays as it is."""
    return catalog.packaged(name) or name


def _read_secrets(path: Path) -> dict[str, str]:
    try:
        with path.open() as file:
            status = os.fstat(file.fileno())
            if stat.S_IMODE(status.st_mode) & 0o077:
                raise SettingsError(f"{path} holds secrets and others may read it: chmod 600 {path}", where=str(path))
            lines = file.read().splitlines()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", where=str(path)) from error
    pairs = (line.partition("=") for line in lines if line.strip() and not line.lstrip().startswith("#"))
    return {key.strip(): value.strip() for key, _, value in pairs}
