"""What became of the jobs that another waits for, read from their folders."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.errors import JobFolderError
from qhub_ext.job.identity import short_id, split_element
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder, folder_of
from qhub_ext.jobfolder.outcome import read_record, read_spec


class Dependencies:
    """Answers for one shelf after another; remembers what has completed, so that a large array is read once."""

    def __init__(self) -> None:
        self._completed: set[str] = set()
        self._elements: dict[str, list[str]] = {}

    def unmet(self, folder: JobFolder, after: tuple[str, ...], active: set[str]) -> tuple[tuple[str, ...], str]:
        """(those that have not completed yet, why it can never be or ""). `active` are jobs of the table: not ended."""
        shelf = folder.bundle_root.parent
        waiting = []
        for dependency in after:
            state = self._state(shelf, dependency, active)
            if state is None:
                return (), f"{short_id(dependency)}, which it waits for, does not exist"
            if state.final and state is not State.COMPLETED:
                return (), f"{short_id(dependency)}, which it waits for, ended as {state.value.replace('_', ' ')}"
            if state is not State.COMPLETED:
                waiting.append(dependency)
        return tuple(waiting), ""

    def forget(self, job_id: str) -> None:
        """A requeue makes a finished job unfinished."""
        array_id, _ = split_element(job_id)
        self._completed.difference_update({str(key) for key in self._completed if key.endswith((job_id, array_id))})

    def _state(self, shelf: Path, job_id: str, active: set[str]) -> State | None:
        key = f"{shelf}/{job_id}"
        if key in self._completed:
            return State.COMPLETED
        if job_id in active:
            return State.QUEUED
        folder = folder_of(shelf, job_id)
        try:
            members = self._members(folder, key)
            state = State.COMPLETED if members else read_record(folder).state
            while members:
                word = self._state(shelf, members[-1], active)
                if word is not State.COMPLETED:
                    state = word or State.LOST
                    break
                members.pop()
        except JobFolderError:
            return None if not folder.path.exists() else State.LOST
        if state is State.COMPLETED:
            self._completed.add(key)
        return state

    def _members(self, folder: JobFolder, key: str) -> list[str]:
        """Elements of an array that have not completed; empty for a job that is no array."""
        if key not in self._elements:
            spec = read_spec(folder)
            size = spec.size if spec.element is None else None
            self._elements[key] = [folder.element(index).id for index in range(size or 0)]
        return self._elements[key]
