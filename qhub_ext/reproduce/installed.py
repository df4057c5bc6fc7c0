"""What is installed for an interpreter, and where it came from, by the metadata that the installers left (no index is asked)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import Distribution, MetadataPathFinder
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from qhub_ext.capture.runtime import git_revision

Kind = Literal["index", "editable", "directory", "git", "archive", "conda"]


@dataclass(frozen=True)
class Source:
    """`place` is a path or an address without credentials. `revision` of a git checkout or of an editable tree in one."""

    kind: Kind
    place: str = ""
    revision: str = ""
    asked: str = ""
    subdirectory: str = ""
    hashes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Installed:
    """`wheels` are the file names that its wheel may have had; `installer` as it calls itself (pip, uv, conda)."""

    name: str
    version: str
    source: Source
    installer: str = ""
    wheels: tuple[str, ...] = field(default=())


def read_installed(path: Iterable[str]) -> list[Installed]:
    """By name; of several of one name the one that `import` finds."""
    found: dict[str, Installed] = {}
    for distribution in MetadataPathFinder.find_distributions(_context(path)):
        one = _read(distribution)
        if one is not None:
            found.setdefault(one.name, one)
    return [found[name] for name in sorted(found)]


def _context(path: Iterable[str]) -> Any:
    from importlib.metadata import DistributionFinder

    return DistributionFinder.Context(path=[entry for entry in path if entry])


def _read(distribution: Distribution) -> Installed | None:
    told = _Told(distribution)
    if told.name is None or told.version is None:  # a folder that a broken installation left behind
        return None
    name = re.sub(r"[-_.]+", "-", told.name).lower()
    installer = (distribution.read_text("INSTALLER") or "").strip()
    source = _source(distribution.read_text("direct_url.json"))
    if source is None:
        source = Source("conda") if installer == "conda" else Source("index")
    tags = tuple(re.findall(r"^Tag:\s*(\S+)", distribution.read_text("WHEEL") or "", re.MULTILINE))
    return Installed(name, told.version, source, installer, tuple(wheel_names(told.name, told.version, tags)))


class _Told:
    """Name and version: from the folder's name where that says it, since opening METADATA takes most of the time."""

    def __init__(self, distribution: Distribution) -> None:
        folder = str(getattr(distribution, "_path", ""))
        match = re.fullmatch(r"([^-]+)-([^-]+)\.dist-info", os.path.basename(folder))
        self.name: str | None
        self.version: str | None
        if match:
            self.name, self.version = match[1], match[2]
        else:
            self.name, self.version = distribution.metadata["Name"], distribution.metadata["Version"]


def wheel_names(name: str, version: str, tags: Iterable[str]) -> Iterator[str]:
    """The file name that a wheel with these tags has by the rules, which compress them: `py2.py3-none-any`."""
    parts = [tag.split("-") for tag in tags]
    if not parts or any(len(part) != 3 for part in parts):
        return
    columns = [".".join(dict.fromkeys(part[n] for part in parts)) for n in range(3)]
    yield f"{re.sub(r'[-_.]+', '_', name)}-{version}-{'-'.join(columns)}.whl"


def same_wheel(one: str, other: str) -> bool:
    """File names of one wheel may differ in case, in the writing of the name, and in the order of compressed tags."""
    return _parts(one) == _parts(other)


def shared_tags(one: str, other: str) -> int:
    """How many of their tags two wheels of one version have in common."""
    first, second = _parts(one), _parts(other)
    return 0 if first is None or second is None else sum(len(a & b) for a, b in zip(first[2:], second[2:], strict=True))


def _parts(file_name: str) -> tuple[str, str, frozenset[str], frozenset[str], frozenset[str]] | None:
    words = file_name.removesuffix(".whl").split("-")
    if len(words) not in (5, 6):
        return None
    name, version, python, abi, platform = words[0], words[1], *words[-3:]
    sets = (frozenset(word.split(".")) for word in (python, abi, platform))
    return (re.sub(r"[-_.]+", "-", name).lower(), version, *sets)  # type: ignore[return-value]


def _source(direct_url: str | None) -> Source | None:
    """PEP 610; None for what came from an index."""
    if direct_url is None:
        return None
    try:
        record: Any = json.loads(direct_url)
        url = str(record["url"])
    except (ValueError, TypeError, KeyError):
        return None
    subdirectory = str(record.get("subdirectory") or "")
    if isinstance(vcs := record.get("vcs_info"), dict) and vcs.get("vcs") == "git":
        asked = str(vcs.get("requested_revision") or "")
        return Source("git", without_credentials(url), str(vcs.get("commit_id", "")), asked, subdirectory)
    if isinstance(directory := record.get("dir_info"), dict):
        place = _path_of(url)
        tree = git_revision(Path(place))
        kind: Kind = "editable" if directory.get("editable") else "directory"
        return Source(kind, place, tree["revision"] if tree else "", subdirectory=subdirectory)
    archive = record.get("archive_info")
    hashes = dict(archive.get("hashes") or {}) if isinstance(archive, dict) else {}
    if isinstance(archive, dict) and not hashes and "=" in str(archive.get("hash") or ""):
        algorithm, _, digest = str(archive["hash"]).partition("=")
        hashes = {algorithm: digest}
    place = _path_of(url) if url.startswith("file:") else without_credentials(url)
    return Source("archive", place, subdirectory=subdirectory, hashes=tuple(sorted(hashes.items())))


def _path_of(url: str) -> str:
    return unquote(urlsplit(url).path) if url.startswith("file:") else url


def without_credentials(url: str) -> str:
    """No user, password or query: any of them may be a token."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None:
        host = f"{host}:{parts.port}"
    return urlunsplit((parts.scheme, host, parts.path, "", ""))
