"""The spans that lie in a job folder."""

from __future__ import annotations

from pathlib import Path

from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.telemetry.otlp import RecordedSpan, read_spans


def span_files(folder: JobFolder) -> list[Path]:
    """Of all writers; of an array, only those of its submission."""
    folders = [folder.spans, *(folder.attempt(number).spans for number in folder.attempt_numbers())]
    return [path for one in folders if one.is_dir() for path in sorted(one.glob("*.jsonl"))]


def read_recorded(folder: JobFolder) -> list[RecordedSpan]:
    return [span for path in span_files(folder) for span in read_spans(path)]
