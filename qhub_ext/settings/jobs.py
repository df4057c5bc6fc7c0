"""`[limits]`, `[runtimes]`, `[profiles]`, `[telemetry]` and `[capture]`: what a job may use, where it runs, what travels with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field

from qhub_ext.settings.section import Section


@dataclass(frozen=True)
class Share:
    """How much of a site a job may use. `memory_mb` is None where the site decides."""

    time_s: int
    cpus: int
    memory_mb: int | None


class LimitSettings(Section):
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


class RuntimeSettings(Section):
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


class ProfileSettings(Section):
    """A policy class of jobs."""

    qpu_s: float | None = Field(default=None, gt=0, description="Seconds of QPU that one job may use, as estimated.")


class TelemetrySettings(Section):
    """Spans of jobs. Where they are sent to is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT, _HEADERS, _PROTOCOL)."""

    spans: bool = Field(default=True, description="Record in each job's folder where its time went.")
    logs: Literal["text", "json"] = Field(
        default="text",
        description="How runner, embedded site and Jupyter server write their logs: sentences, or a JSON object per line with the ids of job and trace.",
    )


class CaptureSettings(Section):
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
