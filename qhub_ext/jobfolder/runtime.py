"""`runtime.json`: where a job was captured, and where it ran, as `qhub_ext.capture.runtime` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from qhub_ext.job.kinds import sift
from qhub_ext.jobfolder.atomic import read_record_or_none


class _Revision(TypedDict, total=False):
    revision: str
    branch: str


class _Runtime(TypedDict, total=False):
    """What readers take for granted."""

    python: str
    implementation: str
    executable: str
    prefix: str
    platform: str
    host: str
    qos: str
    path: list[str]
    own_path: dict[str, Any]
    packages: dict[str, str]
    state: str
    blas: dict[str, str]
    machine: dict[str, Any]
    modules: list[str]
    container: dict[str, Any] | None
    environment: dict[str, str]
    environment_digest: str
    revision: _Revision | None


def read_runtime(path: Path) -> dict[str, Any] | None:
    """None where there is none. What is of another kind than is written there is left out. Raises JobFolderError for what is torn."""
    found = read_record_or_none(path)
    return None if found is None else sift(found, _Runtime)[0]
