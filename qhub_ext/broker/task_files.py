"""Payloads and results as files on the broker's own disk: a folder per task, written beside and renamed, and on the disk before they count."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from qhub_ext.broker.database import translated
from qhub_ext.broker.rows import SliceRow


class TaskFiles:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def folder(self, task_id: str) -> Path:
        return self._directory / task_id

    def keep_payload(self, task_id: str, payload: bytes) -> None:
        _write(self.folder(task_id) / "payload.json", payload)

    def payload(self, task_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(task_id) / "payload.json").read_bytes())
        return found

    def keep_slice(self, row: SliceRow, result: bytes) -> None:
        _write(self.folder(row.task) / f"slice-{row.number}.json", result)

    def slice_result(self, row: SliceRow) -> str:
        return (self.folder(row.task) / f"slice-{row.number}.json").read_text("utf-8")

    def keep_result(self, task_id: str, result: bytes) -> None:
        _write(self.folder(task_id) / "result.json", result)

    def result(self, task_id: str) -> bytes | None:
        try:
            return (self.folder(task_id) / "result.json").read_bytes()
        except FileNotFoundError:
            return None

    def forget(self, task_id: str) -> bool:
        """Whether there was anything."""
        folder = self.folder(task_id)
        there = folder.exists()
        shutil.rmtree(folder, ignore_errors=True)
        return there


def _write(path: Path, content: bytes) -> None:
    """Beside, on the disk, then renamed."""
    beside = path.with_name(f".{path.name}.new")
    with translated(str(path)):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
