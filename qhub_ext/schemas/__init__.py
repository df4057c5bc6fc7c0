"""JSON Schemas (2020-12) of all that is written with a kind of its own, in job folders and elsewhere: `qhub.job.1.json` describes `qhub.job/1`.

Within a version fields are only added: readers leave out what they do not know, and take defaults for what is missing. Spans are OTLP JSON,
outputs.ipynb is nbformat 4 and pylock.toml PEP 751, but for its table [tool.qhub]; these have their own.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any


def load_schema(name: str) -> dict[str, Any]:
    """By the name that documents carry: `qhub.job/1`. Raises FileNotFoundError."""
    kind, _, version = name.partition("/")
    found: dict[str, Any] = json.loads((files(__name__) / f"{kind}.{version}.json").read_bytes())
    return found


def schema_names() -> list[str]:
    return sorted(
        "/".join(p.name.removesuffix(".json").rsplit(".", 1))
        for p in files(__name__).iterdir()
        if p.name.endswith(".json")
    )
