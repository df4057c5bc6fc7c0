"""The calibration snapshots that a user's jobs have met: one file each, named by its content.

    SHELF/.calibration/DEVICE/20260415T071515Z-288631aeaf799860.json.gz
    SHELF/.calibration/DEVICE/20260415T071515Z-288631aeaf799860.document.json.gz     what the vendor said, as it came
    SHELF/.calibration/DEVICE/20261127T231225Z-cb3f65114011ad82.simulated.json.gz    of a virtual QPU: no device ever had it

They lie on the shelf and not in the cache, because nothing can make them again, and because the nodes see the shelf. The folder of a job
has hard links to (or copies of) those that it ran under, so that it can be read without the shelf.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from qhub_ext.errors import JobFolderError, QhubError
from qhub_ext.job.calibration import Snapshot
from qhub_ext.jobfolder.atomic import write_beside
from qhub_ext.jobfolder.layout import JobFolder

DOCUMENT_SCHEMA = "qhub.vendor-document/1"
ENDING = ".json.gz"
DIGITS = 16
_NAME = re.compile(
    rf"(\d{{4}})(\d\d)(\d\d)T(\d\d)(\d\d)([\d.]+Z)-([0-9a-f]{{{DIGITS}}})(\.simulated)?{re.escape(ENDING)}", re.ASCII
)


@dataclass(frozen=True)
class Entry:
    """A stored snapshot as its file name tells it: `taken_at` ISO 8601 UTC, `digest` the first digits of its id."""

    device: str
    taken_at: str
    digest: str
    path: Path
    simulated: bool = False

    @property
    def id(self) -> str:
        """Short, as people write it; the snapshot has the whole."""
        return f"sha256:{self.digest}"


class CalibrationStore:
    def __init__(self, shelf: Path) -> None:
        self.path = shelf / ".calibration"

    def put(self, snapshot: Snapshot, document: Callable[[], Mapping[str, Any]] | None = None) -> Path:
        """Its file; written when it is not there. `document` gives the vendor's own, and is asked only when that is not there."""
        path = self._folder(snapshot.device) / file_name(snapshot)
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _write(path, snapshot.to_json())
        if document is not None and not document_of(path).exists():
            _write(document_of(path), {"schema": DOCUMENT_SCHEMA, "document": document()})
        return path

    def confirm(self, path: Path, resource: str, at: float) -> None:
        """Notes that at `at` (s since 1970 UTC) the resource said that its device has this snapshot."""
        write_beside(path.parent / _mark(resource), json.dumps({"snapshot": path.name, "at": at}).encode())

    def confirmed(self, device: str, resource: str) -> tuple[Path, float] | None:
        """The snapshot that a resource named last, and when. None where it was never asked."""
        folder = self._folder(device)
        try:
            record = json.loads((folder / _mark(resource)).read_bytes())
            path, at = folder / os.path.basename(record["snapshot"]), float(record["at"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return (path, at) if path.exists() else None

    def devices(self) -> list[str]:
        return sorted(unquote(entry) for entry in _listed(self.path) if not entry.startswith("."))

    def history(self, device: str) -> list[Entry]:
        """The oldest calibration first. Opens no file."""
        folder = self._folder(device)
        found = (_entry(device, folder / name) for name in sorted(_listed(folder)))
        return [entry for entry in found if entry is not None]

    def latest(self, device: str) -> Entry | None:
        """The newest by the device's own date; what a virtual QPU made of it is none of its own."""
        return next((entry for entry in reversed(self.history(device)) if not entry.simulated), None)

    def find(self, snapshot_id: str, device: str | None = None) -> Entry | None:
        """By its id or the first digits of it."""
        digits = snapshot_id.removeprefix("sha256:")[:DIGITS]
        for name in [device] if device is not None else self.devices():
            for entry in self.history(name):
                if digits and entry.digest.startswith(digits):
                    return entry
        return None

    def pin(self, path: Path, folder: JobFolder) -> None:
        """Puts a stored snapshot into a job folder; an array has one for all its elements."""
        for one in (path, document_of(path)):
            place = folder.calibration / one.name
            if place.exists() or not one.exists():
                continue
            folder.calibration.mkdir(mode=0o700, exist_ok=True)
            try:
                os.link(one, place)
            except FileExistsError:
                pass
            except OSError:  # another file system, or one without hard links
                write_beside(place, one.read_bytes())

    def _folder(self, device: str) -> Path:
        return self.path / quote(device, safe="").replace(".", "%2E")


def pinned(folder: JobFolder) -> dict[str, Path]:
    """Those that a job ran under, in its own folder: the first digits of the id -> file."""
    found = (_entry("", folder.calibration / name) for name in _listed(folder.calibration))
    return {entry.digest: entry.path for entry in found if entry is not None}


def find_pinned(folder: JobFolder, snapshot_id: str) -> Path:
    """Its file, in the job's own folder or on the shelf. Raises JobFolderError where it is gone."""
    path = pinned(folder).get(snapshot_id.removeprefix("sha256:")[:DIGITS])
    if path is None:
        entry = CalibrationStore(folder.bundle_root.parent).find(snapshot_id)
        path = None if entry is None else entry.path
    if path is None:
        raise JobFolderError(
            f"The calibration snapshot {snapshot_id[: 7 + DIGITS]} is gone: neither {folder.bundle_root} nor the shelf has it.",
            advice="`rerun JOB --snapshot latest` runs under the present one; `calibration DEVICE --import FILE` brings one back.",
            where=str(folder.calibration),
        )
    return path


def read_pinned(folder: JobFolder, snapshot_id: str) -> Snapshot | None:
    """None where the job folder does not have it."""
    path = pinned(folder).get(snapshot_id.removeprefix("sha256:")[:DIGITS])
    return None if path is None else read_snapshot(path)


def read_snapshot(path: Path) -> Snapshot:
    """Raises JobFolderError for what is torn or was changed."""
    try:
        return Snapshot.from_json(_read(path))
    except (KeyError, TypeError, ValueError, AttributeError, QhubError) as error:
        raise _unreadable(path, error) from error


def read_document(path: Path) -> Mapping[str, Any] | None:
    """The vendor's document of a stored snapshot, None where there is none. Raises JobFolderError for one that is torn."""
    place = document_of(path)
    if not place.exists():
        return None
    try:
        document: Mapping[str, Any] = _read(place)["document"]
    except (KeyError, TypeError) as error:
        raise _unreadable(place, error) from error
    return document


def document_of(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(ENDING) + f".document{ENDING}")


def _write(path: Path, record: Any) -> None:
    # the vendor's own numbers may be NaN
    write_beside(path, gzip.compress(json.dumps(record, separators=(",", ":")).encode(), 6, mtime=0))


def _read(path: Path) -> Any:
    try:
        return json.loads(gzip.decompress(path.read_bytes()))
    except (OSError, EOFError, ValueError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> JobFolderError:
    return JobFolderError(f"The calibration snapshot {path} cannot be read: {error}", where=str(path))


def file_name(snapshot: Snapshot) -> str:
    moment = snapshot.taken_at.replace("-", "").replace(":", "")
    simulated = ".simulated" if snapshot.synthetic else ""
    return f"{moment}-{snapshot.id.removeprefix('sha256:')[:DIGITS]}{simulated}{ENDING}"


def _entry(device: str, path: Path) -> Entry | None:
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    year, month, day, hour, minute, rest, digest, simulated = match.groups()
    return Entry(device, f"{year}-{month}-{day}T{hour}:{minute}:{rest}", digest, path, simulated is not None)


def _mark(resource: str) -> str:
    return f".asked-{quote(resource, safe='')}.json"


def _listed(folder: Path) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        yield from os.listdir(folder)
