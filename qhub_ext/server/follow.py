"""A log that is followed: pieces of text as they come, over attempts, until the job has ended. Blocking reads, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qhub_ext.jobfolder.outputs import OutputReader, text_of_message

if TYPE_CHECKING:
    from qhub_ext.jobfolder.layout import JobFolder

FIRST_PAUSE_S, LAST_PAUSE_S, GROWTH = 0.04, 0.5, 1.3


class LogFollower:
    """`pause_s` is how long to wait before the next look: short while text comes."""

    def __init__(self, folder: JobFolder, number: int = 0) -> None:
        self._folder = folder
        self._only = number
        self._number = 0
        self._reader: OutputReader | None = None
        self.pause_s = FIRST_PAUSE_S

    def read(self) -> str:
        attempt = self._folder.attempt(self._only) if self._only else self._folder.latest_attempt()
        if attempt is None:
            return self._told("")
        head = ""
        if self._reader is None or attempt.number != self._number:
            head = f"── attempt {attempt.number} ──\n" if self._number else ""
            self._reader, self._number = OutputReader(attempt), attempt.number
        return self._told(head + "".join(map(text_of_message, self._reader.read_new())))

    def _told(self, text: str) -> str:
        self.pause_s = FIRST_PAUSE_S if text else min(LAST_PAUSE_S, self.pause_s * GROWTH)
        return text
