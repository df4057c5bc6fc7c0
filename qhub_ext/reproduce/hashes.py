"""The files of an index by hash, for what is installed: uv asks its own cache first, and the user's index then."""

from __future__ import annotations

import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from qhub_ext.reproduce.installed import Installed, same_wheel, shared_tags
from qhub_ext.reproduce.lock import File, public_address
from qhub_ext.reproduce.uv import find_uv, main_index_alone, run_uv, uv_environment

TRIES = 12
"""An index without some of the packages is asked for the rest so often."""
_MISSING = re.compile(
    r"(?:Because|and) (?:there is no version of )?([A-Za-z0-9._-]+)(?:==\S+)? (?:was not found|cannot be used|has no)|no version of ([A-Za-z0-9._-]+)=="
)


def file_hashes(packages: Iterable[Installed], python: str) -> dict[str, File]:
    """Name -> the file that is installed, or a source archive of that version; without those that no index knows."""
    wanted = {p.name: p for p in packages if p.source.kind == "index"}
    if not wanted or find_uv() is None:
        return {}
    found = _chosen(wanted, python, uv_environment(os.environ))
    # what lies in a folder or an index of the site's own is most often a copy of what the main one has: then its address is for everybody
    copies = {name: wanted[name] for name, file in found.items() if public_address(file.url) is None}
    alone = main_index_alone(os.environ) if copies else None
    if alone is not None:
        again = _chosen(copies, python, alone)
        found |= {name: file for name, file in again.items() if file.sha256 == found[name].sha256}
    return found


def _chosen(wanted: Mapping[str, Installed], python: str, environment: Mapping[str, str]) -> dict[str, File]:
    listed = _ask({name: package.version for name, package in wanted.items()}, python, environment)
    return {name: file for name, entry in listed.items() if (file := _choose(wanted[name], entry)) is not None}


def _ask(versions: Mapping[str, str], python: str, environment: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    for offline in (True, False):
        left = dict(versions)
        for _ in range(TRIES if not offline else 1):
            answer, said = _compile(left, python, environment, offline=offline)
            if answer is not None:
                return answer
            named = {re.sub(r"[-_.]+", "-", a or b).lower() for a, b in _MISSING.findall(said)}
            if not named & set(left):
                break
            left = {name: version for name, version in left.items() if name not in named}
            if not left:
                break
    return {}


def _compile(
    versions: Mapping[str, str], python: str, environment: Mapping[str, str], *, offline: bool
) -> tuple[dict[str, Any] | None, str]:
    with tempfile.TemporaryDirectory(prefix="qhub-lock-") as folder:
        asked, answered = Path(folder) / "requirements.in", Path(folder) / "pylock.toml"
        asked.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), "utf-8")
        words = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--python", python, "--format", "pylock.toml"]
        done = run_uv(
            [*words, *(["--offline"] if offline else []), "-o", str(answered), str(asked)],
            timeout_s=60,
            environment=environment,
        )
        if done.returncode != 0:
            return None, " ".join(done.stderr.split())
        record = tomllib.loads(answered.read_text("utf-8"))
    return {str(entry["name"]): entry for entry in record.get("packages", ())}, ""


def _choose(package: Installed, entry: Mapping[str, Any]) -> File | None:
    """The wheel with the tags of the installed one, or the nearest, as some makers write other tags into a wheel than into its name; where
    it was built here, the source that it was built from.
    """
    wheels = list(entry.get("wheels") or ())
    for wheel in wheels:
        if any(same_wheel(_name(wheel), name) for name in package.wheels):
            return _file(wheel)
    built_here = not package.wheels or any("-linux_" in name for name in package.wheels)  # no index takes such a wheel
    if wheels and not built_here:
        return _file(max(wheels, key=lambda wheel: shared_tags(_name(wheel), package.wheels[0])))
    return _file(entry["sdist"]) if entry.get("sdist") else None


def _name(file: Mapping[str, Any]) -> str:
    place = str(file.get("url") or file.get("path") or "")
    return str(file.get("name") or unquote(urlsplit(place).path).rpartition("/")[2])


def _file(file: Mapping[str, Any]) -> File | None:
    digest = str((file.get("hashes") or {}).get("sha256", ""))
    size = file.get("size")
    return (
        File(_name(file), str(file.get("url", "")), digest, size if isinstance(size, int) else None) if digest else None
    )
