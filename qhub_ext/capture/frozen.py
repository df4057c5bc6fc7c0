"""What was frozen: a manifest and the contents of its files, on the way into a folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from qhub_ext.capture.manifest import Manifest, write_manifest
from qhub_ext.capture.values import megabytes
from qhub_ext.errors import CaptureError

Chunk = bytes | memoryview


@dataclass
class Frozen:
    """`parts` holds the chunks of each file; large arrays are views of the values themselves, so write soon."""

    manifest: Manifest
    parts: dict[str, list[Chunk]] = field(default_factory=dict)

    @property
    def failed(self) -> dict[str, str]:
        return self.manifest.failed

    @property
    def files(self) -> dict[str, bytes]:
        return {name: b"".join(chunks) for name, chunks in self.parts.items()}

    @property
    def bytes(self) -> int:
        """Of all files together, without the manifest."""
        return sum(len(chunk) for chunks in self.parts.values() for chunk in chunks)

    def write(self, directory: Path) -> None:
        """The manifest comes last: a folder without one was not finished."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name, chunks in self.parts.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            with open(os.open(directory / name, flags, 0o600), "wb", buffering=0) as file:
                for chunk in chunks:
                    view = memoryview(chunk)
                    while view:
                        view = view[file.write(view) :]
        write_manifest(directory, self.manifest)

    def require(self, names: Iterable[str] | None = None) -> None:
        """Raises one CaptureError about all of `names`, and what these need, that cannot travel. None stands for all."""
        wanted = self.failed
        if names is not None:
            needed = set(self.manifest.closure(names))
            wanted = {name: sentence for name, sentence in self.failed.items() if name in needed}
        if not wanted:
            return
        head = (
            "A value cannot travel with the cell"
            if len(wanted) == 1
            else f"{len(wanted)} values cannot travel with the cell"
        )
        lines = "; ".join(sentence.rstrip(".") for sentence in wanted.values())
        raise CaptureError(
            f"{head}: {lines}.",
            advice=f"To submit without: --without {','.join(wanted)}.",
        )


class Row(NamedTuple):
    """One line of a preview; `size` is for people, `bytes` for sorting, `note` says why it travels or why it cannot."""

    name: str
    kind: str
    summary: str
    size: str
    bytes: int
    note: str


def preview(frozen: Frozen) -> list[Row]:
    rows = []
    for name, entry in frozen.manifest.names.items():
        size, own = megabytes(entry.bytes), entry.bytes
        if entry.form == "module":
            size = "import"
        elif entry.member:  # counted with the first of those that share its file
            size, own = "shared", 0
        note = "needed by another name" if entry.implied else ""
        rows.append(Row(name, entry.type.rpartition(".")[2], entry.summary, size, own, note))
    rows += [Row(name, "", "", "", 0, sentence) for name, sentence in frozen.failed.items()]
    return rows
