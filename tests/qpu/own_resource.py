"""A site with one resource, as its operator describes it in qhub.toml, with its credentials in a file beside that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

QCS = "ibm-quantum-compute-service"


def describe_resource(
    folder: Path, resource: str, config: Mapping[str, str], *, kind: str = QCS, device: str = ""
) -> Path:
    """Writes `folder/qhub.toml`, where empty values of the configuration are left out; its shelf, which is made."""
    secrets = folder / "secrets"
    secrets.write_text("".join(f"{key}={value}\n" for key, value in config.items() if value))
    secrets.chmod(0o600)
    shelf = folder / "jobs"
    shelf.mkdir(exist_ok=True)
    own = {"type": kind, "secrets": str(secrets)} | ({"device": device} if device else {})
    lines = (
        f"shelf = {json.dumps(str(shelf))}",
        f"cache = {json.dumps(str(folder / 'cache'))}",
        "[qpu]\nstale_s = 1e12",
        f"[qpu.resources.{resource}]",
        *(f"{key} = {json.dumps(value)}" for key, value in own.items()),
    )
    (folder / "qhub.toml").write_text("\n".join(lines) + "\n")
    return shelf
