"""What a failure is called when it is told beside others: its words without all that belongs to one job, one user or one machine.

Two failures are alike when kind and words are the same after paths, addresses, ids, numbers, quoted values and names were taken out. What a
cell raised by itself is its owner's own text, of which only the kind is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

LONGEST = 200
_READ = 2000
"""So many letters are looked at: an error may carry a whole circuit."""

_OUT: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), word)
    for pattern, word in (
        (r"\x1b\[[0-9;]*[A-Za-z]", ""),
        (r"\[Errno -?\d+\] ", ""),  # the words after it say the same
        (r"\b\w+://[^\s<>\"']+", "<address>"),
        (r'"[^"]*"|`[^`]*`|“[^”]*”|‘[^’]*’|(?<!\w)\'[^\']*\'(?!\w)', "<value>"),
        (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*", "<address>"),
        (r"\[[0-9a-fA-F:]{3,}\](?::\d+)?|\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<address>"),
        (r"\b[A-Za-z]:\\[^\s<>]+", "<path>"),
        (r"(?<![\w<])(?:~|\.{1,2})?(?:/[^\s/:,;()<>]+)+/?", "<path>"),
        (r"<(?!(?:address|path|value|name|id|n)>)[^<>]*>", "<value>"),
        (r"\{[^{}]*\}|\[[^\[\]]*\]", "<value>"),
        (r"\b0x[0-9a-fA-F]+\b|\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "<id>"),
        (r"\b[0-9a-hjkmnp-tv-z]{9}-[0-9a-hjkmnp-tv-z]{6}\b", "<id>"),
        (r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", "<id>"),
        (r"\b[A-Za-z_][\w.]*\(\)", "<name>"),
        (r"\b[A-Za-z][A-Za-z-]*(?:\.[A-Za-z0-9-]+){2,}\b", "<name>"),
        (r"(?<![\w<])[-+]?\d[\d,_]*(?:\.\d+)?(?:[eE][-+]?\d+)?", "<n>"),
        (r"\b[A-Za-z_.-]*[A-Za-z_-]\d[\w.-]*", "<name>"),
        (r"\b[a-z][a-z]*_[a-z_]*\b", "<name>"),
        (r"<n>(?:\s*[,;x×-]?\s*<n>)+", "<n>"),
        (r"\s+", " "),
    )
)


def normalise(text: str) -> str:
    """The first line without what is one job's own. Of what is normalised already, the same."""
    line = next((one for one in text[:_READ].splitlines() if one.strip()), "")
    line = "".join(letter if letter.isprintable() else " " for letter in line)
    while True:
        before = line
        for pattern, word in _OUT:
            line = pattern.sub(word, line)
        if line == before:
            break
    return line.strip()[:LONGEST].strip()


def signature_of(message: str, word: str = "", error: Mapping[str, Any] | None = None) -> str:
    """`error` as the outcome has it (ename, evalue, facts); without one, the verdict's `message`, after the site's own `word`."""
    if not error:
        told = normalise(message)
        return _named(_kind(word), told)
    kind, facts = _kind(str(error.get("ename", ""))) or "error", error.get("facts") or {}
    if facts.get("own"):
        return f"{kind} raised by the cell itself"
    told = normalise(str(error.get("evalue", "")))
    return _named(kind, told)


def _named(kind: str, told: str) -> str:
    """No longer than a broker takes."""
    return f"{kind}: {told}"[:LONGEST].strip() if kind and told else told or kind


def signature_id(cause: str, signature: str) -> str:
    """The same on every machine; "" where there is nothing to name."""
    return hashlib.sha256(f"{cause}\n{signature}".encode("utf-8", "replace")).hexdigest()[:12] if signature else ""


def _kind(text: str) -> str:
    """The name of a class, or the site's own word such as NODE_FAIL."""
    found = re.match(r"[A-Za-z_][A-Za-z_.]*", text)
    return found[0][:60] if found else ""
