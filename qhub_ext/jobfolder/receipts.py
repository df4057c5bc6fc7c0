"""What a client's key has submitted: SHELF/.receipts/HASH.json. The same key never makes a second job.

A receipt is written before the job folder, with the id that the folder will have; one whose folder never came is void.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path

from qhub_ext.errors import JobFolderError
from qhub_ext.jobfolder.atomic import read_json_or_none, write_json

FOLDER = ".receipts"


@dataclass(frozen=True)
class Receipt:
    """`digest` is that of the request; `at` in s since 1970 UTC."""

    job_id: str
    digest: str
    at: float


def read_receipt(shelf: Path, key: str) -> Receipt | None:
    try:
        record = read_json_or_none(_path(shelf, key))
        return None if record is None else Receipt(**record)
    except (TypeError, JobFolderError):  # damaged: as good as none
        return None


def write_receipt(shelf: Path, key: str, receipt: Receipt) -> None:
    path = _path(shelf, key)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_json(path, asdict(receipt), durable=True)


def _path(shelf: Path, key: str) -> Path:
    return shelf / FOLDER / f"{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"
