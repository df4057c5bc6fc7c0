"""Every knob: name, default, unit, sentence. The only reader of `qhub.toml` and of `QHUB_*` variables.

`qhub.toml` is looked for in the Jupyter configuration folders (system, environment, user: later ones win), then in the file
that `QHUB_CONFIG` names. A variable `QHUB_SECTION_KEY` (or `QHUB_KEY` for a top-level key) overrides every file.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import platformdirs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo

from qhub_ext.errors import QhubWarning, SettingsError

FILE_NAME = "qhub.toml"
FLOORS = (("slurm", "poll_s"),)
"""Of these a user may ask for more than the site's own file says, and not for less."""

Tier = Literal["local", "emulation", "qpu"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EmbeddedSettings(_Section):
    """The site scheduler that comes with the package."""

    directory: Path = Field(
        default_factory=lambda: Path(platformdirs.user_state_dir("qhub")) / "embedded" / socket.gethostname(),
        description="Folder of the queue; on this host's own disk.",
    )
    cpus: int | None = Field(
        default=None, ge=1, description="CPUs that jobs may use together; default: all that this process may use."
    )
    idle_exit_s: float = Field(
        default=600.0, gt=0, description="The daemon leaves after so many seconds with nothing to do."
    )
    template: bool = Field(
        default=True,
        description="Keep a process ready, some 30 MiB, that runners are forked from; without it each job starts a Python.",
    )
    warm_kernels: int = Field(
        default=1, ge=0, description="Job kernels kept ready with qiskit imported; each takes some 300 MiB."
    )
    warm_imports: tuple[str, ...] = Field(
        default=("numpy", "qiskit", "qiskit_aer", "qhub_ext.primitives"),
        description="What a warm kernel has imported already.",
    )


class SlurmTierSettings(_Section):
    """What a job of one tier asks of Slurm unless its own site options say otherwise."""

    partition: str | None = Field(default=None, description="Partition; default: the cluster's.")
    qos: dict[str, str] = Field(default_factory=dict, description="Profile -> QOS; a profile without one names none.")
    account: str | None = Field(default=None, description="Account; default: the user's.")
    constraint: str | None = Field(default=None, description="Features that a node must have.")
    licenses: str | None = Field(default=None, description="Licences that a job holds, as NAME:N.")
    gres: str | None = Field(default=None, description="Generic resources that a job holds, as NAME:TYPE:N.")
    reservation: str | None = Field(default=None, description="Reservation that jobs run in.")
    time_s: int | None = Field(
        default=None, ge=1, description="Wall time of a job that names none, in seconds; default: limits.time_s."
    )
    time_max_s: int | None = Field(
        default=None, ge=60, description="Longest time limit that the partition or QOS allows, in seconds."
    )
    cpus: int | None = Field(default=None, ge=1, description="CPUs of a job that names none; default: 1.")
    cpus_max: int | None = Field(default=None, ge=1, description="CPUs that one job may ask for.")
    memory_mb: int | None = Field(
        default=None, ge=1, description="Memory of a job that names none, in MiB; default: limits.memory_mb."
    )
    memory_max_mb: int | None = Field(default=None, ge=1, description="Memory that one job may ask for, in MiB.")


class SlurmDeviceSettings(_Section):
    """What makes a device a resource of Slurm: one of these."""

    licenses: str | None = Field(default=None, description="Licences that stand for the device, as NAME:N.")
    gres: str | None = Field(default=None, description="Generic resources that stand for the device, as NAME:TYPE:N.")
    qpu: str | None = Field(default=None, description="Name for --qpu, where the SPANK plugin is installed.")


class SlurmSettings(_Section):
    """A Slurm cluster as the site scheduler."""

    commands: Path | None = Field(default=None, description="Folder of sbatch, squeue and the like; default: PATH.")
    poll_s: float = Field(
        default=5.0,
        gt=0,
        description="Shortest time between two questions to Slurm, in seconds. What the site's own file says is the least for everybody.",
    )
    poll_max_s: float = Field(default=60.0, gt=0, description="Longest time between two questions, in seconds.")
    timeout_s: float = Field(
        default=60.0,
        gt=0,
        description="A command of Slurm is ended after so many seconds; on a busy cluster squeue may need half a minute.",
    )
    settle_s: float = Field(
        default=3.0, ge=0, description="After a lost answer Slurm is asked for so many seconds whether it has the job."
    )
    signal_s: int = Field(
        default=60, ge=1, description="A job is interrupted so many seconds before its time limit, to seal its results."
    )
    requeue: bool = Field(
        default=True, description="Slurm may begin a new attempt after preemption or the failure of a node."
    )
    array_max: int = Field(
        default=1000, ge=1, description="Elements of one Slurm array (below the site's MaxArraySize)."
    )
    array_running: int | None = Field(default=None, ge=1, description="Elements of one array that run at a time.")
    prologue: tuple[str, ...] = Field(
        default=(), description="Lines of bash before the runner, such as `module load python`."
    )
    launcher: tuple[str, ...] = Field(
        default=(), description="Command and arguments put before Python, such as a container's `exec IMAGE`."
    )
    tiers: dict[str, SlurmTierSettings] = Field(
        default_factory=dict, description="Tier -> partition, QOS per profile, account, resources, times and limits."
    )
    devices: dict[str, SlurmDeviceSettings] = Field(
        default_factory=dict, description="Device -> licences, generic resources or QPU name, for the tier qpu."
    )

    def device(self, name: str) -> SlurmDeviceSettings | None:
        """By the device's own name, also where an operator wrote the vendor's: `ibm_kingston`."""
        bare = {re.sub(r"^(ibmq?|fake)_", "", key.strip().lower()): one for key, one in self.devices.items()}
        return self.devices.get(name) or bare.get(name.lower())


class QpuResourceSettings(_Section):
    """A quantum resource that QRMI reaches. What is secret goes into a file of its own, mode 0600."""

    type: str = Field(description="Type of QRMI, such as ibm-quantum-compute-service.")
    device: str | None = Field(default=None, description="Device that it stands for; default: the one of its name.")
    environment: dict[str, str] = Field(
        default_factory=dict, description="Keys of QRMI (QRMI_IBM_QCS_ENDPOINT ...) and values; nothing secret."
    )
    secrets: Path | None = Field(default=None, description="File of KEY=VALUE lines with its credentials, mode 0600.")


class QpuWindowSettings(_Section):
    """When a device that no broker watches over is calibrated, as its provider announces it. It is told, and nothing is held back for it."""

    device: str = Field(default="", description="Device; default: all of them.")
    start: datetime = Field(description="Begin, such as 2026-12-01T03:00:00Z; without a zone it is UTC.")
    length_s: float = Field(gt=0, description="Length in seconds.")
    rule: str = Field(default="", description="Again at these moments: an iCalendar RRULE, such as FREQ=DAILY.")


class QpuSettings(_Section):
    """The devices of the tier qpu. Those that the site's own job environment names come first."""

    config_file: Path | None = Field(
        default=None, description="The site's qrmi_config.json; default: /etc/slurm/qrmi_config.json where it exists."
    )
    resources: dict[str, QpuResourceSettings] = Field(default_factory=dict, description="Name -> quantum resource.")
    windows: tuple[QpuWindowSettings, ...] = Field(default=(), description="Announced calibration windows of devices.")
    virtual: Literal["embedded", "always", "never"] = Field(
        default="embedded",
        description="Sites where a virtual QPU (simulated, and says so) stands in for a device that nothing else stands for.",
    )
    virtual_directory: Path = Field(
        default_factory=lambda: Path(platformdirs.user_state_dir("qhub")) / "virtual-qpu" / socket.gethostname(),
        description="Folder of the virtual QPU that starts on demand.",
    )
    virtual_speed: float = Field(
        default=1.0, gt=0, description="The virtual QPU's clock: 10 makes a second on the device a tenth of one."
    )
    virtual_cycle_s: float | None = Field(
        default=None,
        ge=1,
        description="Seconds of its own clock after which the virtual QPU is calibrated, for ten minutes of that clock.",
    )
    target_age_s: float = Field(
        default=900.0,
        ge=0,
        description="A device is asked for its calibration again when the last answer is older than so many seconds.",
    )
    stale_s: float = Field(
        default=172800.0, gt=0, description="Warn when a device's own calibration is older than so many seconds."
    )
    on_calibration_change: Literal["accept", "flag", "restart"] = Field(
        default="flag",
        description="A device that is calibrated in the middle of a task: say nothing, warn, or run the task once more.",
    )
    deadline_s: float = Field(default=60.0, gt=0, description="A call to a device is given up after so many seconds.")
    patience_s: float = Field(
        default=60.0,
        ge=0,
        description="A service that does not answer to questions about a task is asked again for so many seconds.",
    )
    poll_s: float = Field(
        default=0.05, gt=0, description="Shortest time between two questions about a task, in seconds."
    )
    poll_max_s: float = Field(
        default=5.0, gt=0, description="Longest time between two questions about a task, in seconds."
    )

    def virtual_at(self, site: str) -> bool:
        return self.virtual == "always" or self.virtual == site


class BrokerRuleSettings(_Section):
    """Which jobs of the site have which profile; the first rule that fits counts, an empty field fits all."""

    profile: str = Field(description="The profile of jobs that fit.")
    qos: str = Field(default="", description="QOS of the job.")
    partition: str = Field(default="", description="Partition of the job.")
    account: str = Field(default="", description="Account of the job.")


class BrokerProfileSettings(_Section):
    """A policy class of tasks: what it may use, and before whom it goes."""

    rank: int = Field(description="Higher goes first, and between slices; production has 2, test 1, development 0.")
    task_s: float | None = Field(default=None, gt=0, description="Seconds of QPU that one task may need.")
    shots: int | None = Field(default=None, ge=1, description="Shots that one PUB may ask for.")
    user_day_s: float | None = Field(default=None, gt=0, description="Seconds of QPU of one user and day (UTC).")
    account_day_s: float | None = Field(default=None, gt=0, description="Seconds of QPU of one account and day (UTC).")
    user_queued: int | None = Field(default=None, ge=1, description="Tasks that one user may have waiting.")
    slots: int | None = Field(default=None, ge=1, description="Tasks on devices at a time.")
    age_s: float | None = Field(
        default=None, gt=0, description="After so many seconds of waiting a task counts as `ages_to`."
    )
    ages_to: int | None = Field(default=None, description="The rank that an old task counts as, and never more.")
    lease_s: float = Field(
        default=0.0, ge=0, description="Longest time for which a session may have a device to itself."
    )


class BrokerSettings(_Section):
    """The second-level scheduler of quantum tasks, which a site runs once (`python -m qhub_ext.broker`), or a user alone on demand."""

    socket: Annotated[Path | None, BeforeValidator(lambda given: None if given == "" else given)] = Field(
        default=None,
        description="Socket of the broker that the tier qpu goes through; default: straight to the device.",
    )
    directory: Path = Field(
        default_factory=lambda: Path(platformdirs.user_state_dir("qhub")) / "broker" / socket.gethostname(),
        description="Folder of the broker's own ledger and socket, on this host's own disk.",
    )
    url: str = Field(
        default="",
        description="Address of a broker on another host, such as http://login1:8731, for hosts where `socket` is not there.",
    )
    on_demand: bool = Field(
        default=False,
        description="Without `socket` and `url`: a broker of your own on this host, in `directory`, started by the first task of the tier qpu that needs it.",
    )
    idle_exit_s: float = Field(
        default=900.0,
        gt=0,
        description="A broker that was started on demand leaves when nothing waits there and nobody asked for so many seconds.",
    )
    token_file: Path | None = Field(
        default=None,
        description="File of mode 0600 with your token for `url`; default: MUNGE says who you are.",
    )
    munge_socket: Path | None = Field(
        default=None, description="Socket of munged; default: the one that it was built with."
    )
    database: str = Field(
        default="",
        description="PostgreSQL for the ledger, such as postgresql:///qhub; default: SQLite in `directory`. Passwords belong in ~/.pgpass.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that the broker listens at, for the genuine client and for callers with MUNGE or a token.",
    )
    port: int = Field(default=0, ge=0, le=65535, description="Port there; 0 takes a free one.")
    session_idle_s: float = Field(
        default=3600.0, gt=0, description="A session without a call or a task ends after so long."
    )
    sweep_s: float = Field(
        default=10.0, gt=0, description="How often sessions, leases and the jobs behind them are looked after."
    )
    session_s: float = Field(default=7 * 86400.0, gt=0, description="Longest life of a session.")
    summaries_days: float = Field(
        default=90.0, gt=0, description="So long summaries of ended jobs are kept, for `qhub fleet`."
    )
    wait_targets_s: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=lambda: {"production": 300.0, "test": 1800.0, "development": 14400.0},
        description="Profile -> seconds within which its jobs are to begin, all queues together; `qhub fleet slo` holds them against it.",
    )
    wait_share: float = Field(
        default=0.95, gt=0, le=1, description="Share of a profile's jobs that are to begin within its target."
    )
    slice_s: float = Field(default=60.0, gt=0, description="Seconds of QPU after which another task may have its turn.")
    overhead_s: float = Field(default=1.0, ge=0, description="Seconds that the device needs once per slice.")
    on_calibration_change: Literal["accept", "flag", "restart"] = Field(
        default="flag",
        description="A device that is calibrated between the slices of a task: say nothing, say it, or run once more what ran before. A task's own word counts before it.",
    )
    ahead: dict[str, Annotated[int, Field(ge=1, le=100)]] = Field(
        default_factory=dict,
        description="Resource -> slices at the device at a time, the one that runs counted; default: 1. With 2 the device does not wait for the next slice, and a more urgent task waits for two at most.",
    )
    profiles: dict[str, BrokerProfileSettings] = Field(
        default_factory=dict, description="Name -> policy class of tasks."
    )
    rules: tuple[BrokerRuleSettings, ...] = Field(default=(), description="Which jobs have which profile.")

    @property
    def place(self) -> Path | str | None:
        """Where the tier qpu finds its broker; None where it goes straight to the device."""
        return self.shared or self.own

    @property
    def shared(self) -> Path | str | None:
        """The site's broker, which knows of everybody's jobs. With both given, the address is for hosts without the socket."""
        if self.socket is not None and (not self.url or self.socket.exists()):
            return self.socket
        return self.url or None

    @property
    def own(self) -> Path | None:
        """The socket of the user's own broker, which may not be up."""
        return self.directory / "broker.sock" if self.on_demand and self.shared is None else None

    @model_validator(mode="after")
    def _slices_are_worth_it(self) -> BrokerSettings:
        if self.slice_s <= self.overhead_s:
            raise ValueError(
                f"slice_s = {self.slice_s:g} must be above overhead_s = {self.overhead_s:g}: a slice would be over before its first shot"
            )
        return self


class LimitSettings(_Section):
    """What one job may use unless it asks for less."""

    time_s: int = Field(default=3600, ge=1, description="Wall time of a job that names none, in seconds.")
    time_max_s: int = Field(default=86400, ge=1, description="Longest wall time that may be asked for, in seconds.")
    grace_s: int = Field(
        default=15, ge=1, description="Seconds between the interrupt and the kill when a job is stopped."
    )
    memory_mb: int | None = Field(
        default=None, ge=64, description="Memory of a job in MiB; default: its CPUs' share of the machine."
    )
    capture_mb: int = Field(default=256, ge=1, description="Largest sum of captured values, in MiB.")
    variable_mb: int = Field(default=256, ge=1, description="Largest sum of values that come back, in MiB.")
    output_mb: int = Field(
        default=16, ge=1, description="Largest sum of outputs of one job, in MiB; more is cut with a notice."
    )


class RuntimeSettings(_Section):
    """The environment that jobs of a tier run in."""

    kind: Literal["this", "venv", "lock", "conda", "modules", "container"] = Field(
        default="this",
        description="this: the interpreter of the submission; venv or conda: the one at `path`; lock: built by uv from the job's lock; "
        "modules: Python of loaded modules; container: Python of an image.",
    )
    path: Path | None = Field(
        default=None, description="Folder of the venv or conda environment, where the nodes see it."
    )
    modules: tuple[str, ...] = Field(default=(), description="Modules that are loaded first; for any kind.")
    engine: Literal["apptainer", "podman", "enroot"] = Field(
        default="apptainer", description="What starts the container."
    )
    image: str = Field(default="", description="Image of the container, best with its digest: NAME@sha256:...")
    binds: tuple[str, ...] = Field(
        default=(), description="Folders that the container sees beside the shelf, as FROM or FROM:TO."
    )
    command: tuple[str, ...] = Field(
        default=(), description="Words put before Python instead of those that `engine` and `image` make."
    )
    python: str = Field(default="python3", description="Python within modules or a container.")
    build: Literal["before", "node"] = Field(
        default="node", description="Where an environment is built from a lock: on the node, or before the submission."
    )


class PreflightSettings(_Section):
    """What is made of a doubtful circuit before it runs, on every tier."""

    dead: Literal["warn", "refuse"] = Field(
        default="warn", description="A circuit with gates where the device has them switched off."
    )
    stale: Literal["note", "warn", "refuse"] = Field(
        default="warn",
        description="A task for a device whose calibration is older than qpu.stale_s: a line in the record, a warning, or nothing is sent.",
    )
    success_warn: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Warn of a circuit that is less likely than this to pass a shot without an error.",
    )
    success_min: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Refuse a circuit that is less likely than this to pass a shot without an error.",
    )


class ProfileSettings(_Section):
    """A policy class of jobs."""

    qpu_s: float | None = Field(default=None, gt=0, description="Seconds of QPU that one job may use, as estimated.")


class TelemetrySettings(_Section):
    """Spans of jobs. Where they are sent to is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _PROTOCOL)."""

    spans: bool = Field(default=True, description="Record in each job's folder where its time went.")
    logs: Literal["text", "json"] = Field(
        default="text",
        description="How runner, embedded site and Jupyter server write their logs: sentences, or a JSON object per line with the ids of job and trace.",
    )


class CaptureSettings(_Section):
    environment: tuple[str, ...] = Field(
        default=(
            "PATH",
            "VIRTUAL_ENV",
            "CONDA_PREFIX",
            "PYTHONPATH",
            "PYTHONHASHSEED",
            "LANG",
            "LC_*",
            "TZ",
            "OMP_*",
            "MKL_*",
            "OPENBLAS_*",
            "NUMEXPR_*",
            "QISKIT_*",
            "QHUB_CONFIG",
            "QHUB_QPU_*",
            "QHUB_BROKER_*",
            "QHUB_TELEMETRY_*",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
            "OTEL_BSP_SCHEDULE_DELAY",
            "MPLCONFIGDIR",
            "XDG_*",
        ),
        description="Environment variables (patterns) that travel with a job. Names that look like secrets never do.",
    )


class Settings(_Section):
    """`qhub.toml`, top level."""

    shelf: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("qhub")) / "jobs",
        description="Folder of the job folders, on storage that the nodes see.",
    )
    cache: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir("qhub")),
        description="Indexes that can be rebuilt at any time.",
    )
    site: str = Field(default="embedded", description="Name of the site scheduler.")
    sites: dict[Tier, str] = Field(
        default_factory=dict,
        description="Tier -> site scheduler of its jobs, where it is not `site`. QHUB_SITE and --site stand above it.",
    )
    tier: Tier = Field(default="local", description="Tier of a cell that names none.")
    device: str = Field(default="kingston", description="Device of a cell that names none.")
    profile: str = Field(default="development", description="Policy class of a job that names none.")
    shots: int | None = Field(
        default=None, ge=1, description="Shots of a sampler that names none; default: the device's, 4096."
    )
    embedded: EmbeddedSettings = Field(default_factory=lambda: EmbeddedSettings())
    slurm: SlurmSettings = Field(default_factory=lambda: SlurmSettings())
    qpu: QpuSettings = Field(default_factory=lambda: QpuSettings())
    broker: BrokerSettings = Field(default_factory=lambda: BrokerSettings())
    limits: LimitSettings = Field(default_factory=lambda: LimitSettings())
    capture: CaptureSettings = Field(default_factory=lambda: CaptureSettings())
    telemetry: TelemetrySettings = Field(default_factory=lambda: TelemetrySettings())
    preflight: PreflightSettings = Field(default_factory=lambda: PreflightSettings())
    runtimes: dict[str, RuntimeSettings] = Field(
        default_factory=dict,
        description="Tier -> the environment that its jobs run in; default: the interpreter of the submission.",
    )
    environments: Path | None = Field(
        default=None,
        description="Folder of the environments that are built from locks; default: .environments on the shelf.",
    )
    profiles: dict[str, ProfileSettings] = Field(
        default_factory=dict, description="Profile -> what it gives a job, such as seconds of QPU."
    )

    def site_of(self, tier: str | None) -> str:
        """Where jobs of this tier are queued; of the tier of a cell that names none for None."""
        return self.sites.get(tier or self.tier, self.site)  # type: ignore[call-overload]  # any other name has no site of its own

    @property
    def all_sites(self) -> list[str]:
        """`site` first, then those that a tier has for itself."""
        return list(dict.fromkeys((self.site, *self.sites.values())))


def config_files(environment: dict[str, str] | None = None) -> list[Path]:
    """Where `qhub.toml` is looked for, weakest first."""
    from jupyter_core.paths import jupyter_config_path

    env = os.environ if environment is None else environment
    found = [Path(folder) / FILE_NAME for folder in reversed(jupyter_config_path())]
    if env.get("QHUB_CONFIG"):
        found.append(Path(env["QHUB_CONFIG"]).expanduser())
    return found


def load_settings(environment: dict[str, str] | None = None, files: list[Path] | None = None) -> Settings:
    env = dict(os.environ if environment is None else environment)
    if environment is None and "QHUB_ATTEMPT" not in env:  # in a job nobody can correct it any more
        _tell_unknown(env)
    merged: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    floors: dict[tuple[str, ...], tuple[float, Path]] = {}
    for path in config_files(env) if files is None else files:
        try:
            with path.open("rb") as file:
                layer = tomllib.load(file)
        except FileNotFoundError:
            if str(path) == env.get("QHUB_CONFIG"):
                raise SettingsError(f"QHUB_CONFIG names {path}, which does not exist.") from None
            continue
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path} is not valid TOML: {error}.") from error
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
        _merge(merged, layer, str(path), origin, ())
        if _is_the_sites(path, env):
            _note_floors(layer, path, floors)
    for name, value in _from_environment(env).items():
        _merge(merged, _nest(name, value), "QHUB_" + "_".join(name).upper(), origin, ())
    if "QHUB_SITE" in env:
        merged.pop("sites", None)
    _keep_floors(merged, floors, origin, env)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise _explain(error, origin) from error
    return settings


@lru_cache(maxsize=1)
def _cached(fingerprint: tuple[Any, ...]) -> Settings:  # noqa: ARG001 - the cache's key
    return load_settings()


# what can change where settings lie, or what they say
_STEERING = ("QHUB_", "JUPYTER_", "XDG_", "HOME")


@lru_cache(maxsize=4)
def _files_under(variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(map(str, config_files(dict(variables))))


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def current_settings() -> Settings:
    """The settings of this process, read again only when a file or a variable changed."""
    named = [name for name in sorted(os.environ) if name.startswith(_STEERING)]
    variables = tuple((name, os.environ[name]) for name in named)
    return _cached((*map(_stamp, _files_under(variables)), *variables))


def describe_settings() -> list[tuple[str, str, str]]:
    """(dotted name, default, sentence) of every knob, for `qhub doctor --settings` and the documentation."""
    return [
        (dotted, "" if info.default_factory is not None else str(info.default), info.description or "")
        for dotted, info in _knobs(Settings)
    ]


def describe_tables() -> list[tuple[str, str, str]]:
    """(dotted name of the table, key, sentence) of every knob that there is once for each name or entry, such as those of `slurm.tiers`."""
    return [
        (dotted, key, field.description or "")
        for dotted, info in _knobs(Settings)
        for inner in get_args(info.annotation)
        if isinstance(inner, type) and issubclass(inner, BaseModel)
        for key, field in inner.model_fields.items()
    ]


def _knobs(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Each field that is no section of its own, by its dotted name."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _knobs(kind, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info


def _from_environment(env: dict[str, str]) -> dict[tuple[str, ...], Any]:
    known: dict[str, tuple[str, ...]] = {}
    for dotted, _, _ in describe_settings():
        path = tuple(dotted.split("."))
        known["QHUB_" + "_".join(path).upper()] = path
    found: dict[tuple[str, ...], Any] = {}
    for name, value in env.items():
        if name in known:
            path = known[name]
            many = path in {("embedded", "warm_imports"), ("capture", "environment"), ("slurm", "launcher")}
            found[path] = tuple(v for v in value.split(",") if v) if many else value
    return found


OWN_VARIABLES = ("QHUB_CONFIG", "QHUB_ATTEMPT", "QHUB_FIRST_ATTEMPT", "QHUB_TIME_UP_S", "QHUB_CONTAINER_IMAGE")
"""Variables of this name that are no settings: where those lie, and what a job is told of itself."""
_OTHERS = ("QHUB_TEST_", "QHUB_CHAOS")


class SettingsWarning(QhubWarning):
    """Something that was set has no effect."""


_told: set[str] = set()


def unknown_variables(env: Mapping[str, str]) -> dict[str, str]:
    """QHUB_ variables that set nothing, each with a sentence that names what may have been meant."""
    import difflib  # only the failing path pays for it

    known = ["QHUB_" + dotted.replace(".", "_").upper() for dotted, _, _ in describe_settings()]
    found = {}
    for name in env:
        if not name.startswith("QHUB_") or name in known or name in OWN_VARIABLES or name.startswith(_OTHERS):
            continue
        near = difflib.get_close_matches(name, [*known, "QHUB_CONFIG"], n=1, cutoff=0.75)
        hint = f"Did you mean {near[0]}?" if near else "`qhub doctor --settings` lists what there is."
        found[name] = f"The variable {name} sets nothing: there is no such setting. {hint}"
    return found


def _tell_unknown(env: Mapping[str, str]) -> None:
    """Once per process and variable."""
    for name, sentence in unknown_variables(env).items():
        _tell(sentence, name)


def _tell(sentence: str, about: str) -> None:
    if about not in _told:
        _told.add(about)
        warnings.warn(sentence, SettingsWarning, stacklevel=4)


def _is_the_sites(path: Path, env: Mapping[str, str]) -> bool:
    """Whether a file speaks for everybody: it lies neither in the user's own folder nor where the user has pointed to and may write."""
    from jupyter_core.paths import jupyter_config_dir

    if path.is_relative_to(jupyter_config_dir()):
        return False
    return str(path) != env.get("QHUB_CONFIG") or not os.access(path, os.W_OK)


def _value_at(layer: Mapping[str, Any], path: tuple[str, ...]) -> float | None:
    found: Any = layer
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    try:
        return None if found is None or isinstance(found, bool) else float(found)
    except (TypeError, ValueError):  # it is refused, with its place, when all is read
        return None


def _note_floors(layer: Mapping[str, Any], path: Path, floors: dict[tuple[str, ...], tuple[float, Path]]) -> None:
    for name in FLOORS:
        value = _value_at(layer, name)
        if value is not None and (name not in floors or value > floors[name][0]):
            floors[name] = (value, path)


def _keep_floors(
    merged: dict[str, Any],
    floors: Mapping[tuple[str, ...], tuple[float, Path]],
    origin: dict[tuple[str, ...], str],
    env: Mapping[str, str],
) -> None:
    for name, (least, path) in floors.items():
        wanted = _value_at(merged, name)
        if wanted is None or wanted >= least:
            continue
        dotted, source = ".".join(name), origin[name]
        _merge(merged, _nest(name, least), str(path), origin, ())
        if "QHUB_ATTEMPT" not in env:
            _tell(
                f"{source}: {dotted} = {wanted:g} is less than this site allows; it is {least:g}, as {path} says.",
                source,
            )


def _nest(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _merge(
    into: dict[str, Any], layer: dict[str, Any], source: str, origin: dict[tuple[str, ...], str], at: tuple[str, ...]
) -> None:
    for key, value in layer.items():
        if isinstance(value, dict) and isinstance(into.get(key, {}), dict):
            origin[(*at, key)] = source
            _merge(into.setdefault(key, {}), value, source, origin, (*at, key))
        else:
            into[key] = value
            origin[(*at, key)] = source


def _explain(error: ValidationError, origin: dict[tuple[str, ...], str]) -> SettingsError:
    first = error.errors()[0]
    path = tuple(str(part) for part in first["loc"])
    source = next((origin[path[:n]] for n in range(len(path), 0, -1) if path[:n] in origin), "the settings")
    dotted = ".".join(path)
    if first["type"] == "extra_forbidden":
        import difflib

        known = [name for name, _, _ in describe_settings()]
        inside = [
            f"{table}.{path[table.count('.') + 1]}.{key}"
            for table, key, _ in describe_tables()
            if dotted.startswith(f"{table}.")
        ]
        near = difflib.get_close_matches(dotted, inside or known, n=2, cutoff=0.5)
        hint = f"Did you mean {' or '.join(near)}?" if near else f"Known keys: {', '.join(known)}."
        return SettingsError(f"{source}: there is no setting {dotted!r}.", advice=hint, where=source)
    if first["type"] == "value_error":  # a whole section, whose values do not go together
        return SettingsError(f"{source}: {dotted}: {first['ctx']['error']}.", where=source)
    return SettingsError(
        f"{source}: {dotted} = {first['input']!r} is not accepted: {first['msg'][:1].lower()}{first['msg'][1:]}.",
        where=source,
    )
