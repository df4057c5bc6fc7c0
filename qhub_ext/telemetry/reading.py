"""The spans that lie in a job folder: in files of spans, and in the journal of whoever submitted it."""

from __future__ import annotations

import json

from qhub_ext.jobfolder.journal import read_all
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.telemetry.otlp import RecordedSpan, parse_line


def read_lines(folder: JobFolder) -> list[bytes]:
    """Each a whole message of OTLP JSON, or torn. Of an array, only those of its submission."""
    found = [
        json.dumps(event.get("data")).encode() for event in read_all(folder.journals) if event.get("kind") == "spans"
    ]
    for directory in (folder.attempt(number).spans for number in folder.attempt_numbers()):
        if directory.is_dir():
            for path in sorted(directory.glob("*.jsonl")):
                found += path.read_bytes().splitlines()
    return found


def read_recorded(folder: JobFolder) -> list[RecordedSpan]:
    return [span for line in read_lines(folder) for span in parse_line(line)]
