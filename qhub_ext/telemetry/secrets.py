"""What must not be told on: by the look of a variable's name, by the values that such variables have here, by the words around it in a text."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

HIDDEN = "[hidden]"
SHORTEST = 8
"""A shorter value stands in many texts that have nothing to do with it."""
_NAME = re.compile(
    r"TOKEN|SECRET|HEADERS|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|COOKIE|SESSION_?ID|APIKEY|(^|_)(KEY|KEYS|AUTH|PWD|PASS|PAT|DSN|CRN|SIGNATURE)(_|$)",
    re.IGNORECASE,
)
_URL_WITH_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
# what stands behind these words is hidden; the words themselves say what it was
_IN_TEXT = re.compile(
    r"(\b(?:bearer|basic)\s+|\b[\w-]*(?:token|secret|passw(?:or)?d|api[-_]?key|authorization)[\w-]*[\"']?\s*[=:]\s*[\"']?(?:bearer\s+|basic\s+)?)[^\s\"',;&]+",
    re.IGNORECASE,
)


def is_secret(name: str, value: str = "") -> bool:
    """By the look of the name, or a URL with a password in the value."""
    return bool(_NAME.search(name) or _URL_WITH_PASSWORD.search(value))


def values_in(environment: Mapping[str, str]) -> frozenset[str]:
    """Of the variables that look like secrets; a path, such as that of a file with one, is none."""
    return frozenset(
        v for n, v in environment.items() if is_secret(n, v) and len(v) >= SHORTEST and not v.startswith("/")
    )


def hide(text: str, values: Collection[str] = ()) -> str:
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return _IN_TEXT.sub(rf"\g<1>{HIDDEN}", _URL_WITH_PASSWORD.sub(f"://{HIDDEN}@", text))
