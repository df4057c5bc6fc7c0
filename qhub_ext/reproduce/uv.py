"""uv, the program: found, and run with the user's own configuration of indexes."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from qhub_ext.errors import EnvironmentMismatchError

TIMEOUT_S = 600.0


def find_uv() -> str | None:
    """That of this environment, else the one on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def require_uv() -> str:
    found = find_uv()
    if found is None:
        raise EnvironmentMismatchError(
            "Building an environment from a lock needs uv, which is not installed here.", advice="pip install uv"
        )
    return found


def run_uv(
    words: Sequence[str], *, timeout_s: float = TIMEOUT_S, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`environment` (default: the present one with pip's indexes). Raises EnvironmentMismatchError where uv is missing or does not end in time."""
    command = [require_uv(), *words]
    try:
        return subprocess.run(
            command, env=environment or uv_environment(os.environ), capture_output=True, text=True, timeout=timeout_s, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise EnvironmentMismatchError(
            f"uv was stopped after {timeout_s:.0f} s: `uv {' '.join(words[:2])}` had not ended.",
            advice="Look at the connection to the package index, and try again.",
        ) from None


def uv_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """uv does not read pip's configuration: an index that only pip was told of would be passed over."""
    found = {k: v for k, v in environment.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    found.setdefault("UV_SYSTEM_CERTS", "true")  # many centres have an authority of their own
    if not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(environment):
        index = environment.get("PIP_INDEX_URL") or _of_pip("index-url")
        if index:
            found["UV_DEFAULT_INDEX"] = index
    if not {"UV_INDEX", "UV_EXTRA_INDEX_URL"} & set(environment):
        more = environment.get("PIP_EXTRA_INDEX_URL") or _of_pip("extra-index-url")
        if more:
            found["UV_EXTRA_INDEX_URL"] = " ".join(more.split())
            found.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip takes several indexes for one
    if "UV_FIND_LINKS" not in environment:
        links = environment.get("PIP_FIND_LINKS") or _of_pip("find-links")
        if links:
            found["UV_FIND_LINKS"] = ",".join(links.split())
    return found


BESIDE = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")


def main_index_alone(environment: Mapping[str, str]) -> dict[str, str] | None:
    """Without the indexes and folders beside the main one; None where there are none."""
    found = uv_environment(environment)
    return {k: v for k, v in found.items() if k not in BESIDE} if any(found.get(name) for name in BESIDE) else None


def _of_pip(key: str) -> str:
    """From pip's files, the strongest first."""
    places = [
        os.environ.get("PIP_CONFIG_FILE", ""),
        os.path.join(sys.prefix, "pip.conf"),
        os.path.expanduser("~/.config/pip/pip.conf"),
        os.path.expanduser("~/.pip/pip.conf"),
        "/etc/pip.conf",
    ]
    for place in places:
        parser = configparser.RawConfigParser()
        try:
            read = bool(place) and parser.read(place, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue  # pip will say so
        if read and parser.has_option("global", key):
            return parser.get("global", key)
    return ""
