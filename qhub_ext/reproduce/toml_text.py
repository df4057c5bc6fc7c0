"""Writes the little TOML that a lock needs: tables, arrays of tables, inline tables, text, numbers, truth values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def toml_value(value: Any) -> str:
    """Raises TypeError for what TOML has no word for."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for the solidus, which is never escaped here, and DEL, which TOML wants escaped
        return json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {toml_value(v)}" for k, v in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    raise TypeError(f"TOML has no word for {value!r}")


def toml_lines(table: Mapping[str, Any]) -> list[str]:
    """`key = value` each; what is None or empty is left out."""
    return [f"{_key(k)} = {toml_value(v)}" for k, v in table.items() if v is not None and v not in ("", [], (), {})]


def _key(key: str) -> str:
    plain = key.replace("-", "").replace("_", "")
    return key if plain.isascii() and plain.isalnum() else toml_value(key)
