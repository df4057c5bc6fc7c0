"""The cells of a job in their order: all of a notebook, or the one that a job has otherwise."""

from __future__ import annotations

from qhub_ext.job.notebook import CodeCell, Notebook, code_cells, one_cell, source_of
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.atomic import read_json
from qhub_ext.jobfolder.layout import JobFolder


class Cells:
    """`total` is how many run, None for a job that is no notebook; `counts` are the execution counts, by the place of a cell."""

    def __init__(self, folder: JobFolder, spec: JobSpec) -> None:
        whole = spec.kind == "notebook"
        self.notebook: Notebook = read_json(folder.notebook) if whole else one_cell(folder.cell.read_text("utf-8"))
        self._coming = code_cells(self.notebook) if whole else [CodeCell(0, 1, source_of(self.notebook["cells"][0]))]
        self.total = len(self._coming) if whole else None
        self.current = self._coming[0]
        self.counts: dict[int, int | None] = {}
        self._requests: dict[str, CodeCell] = {}

    @property
    def left(self) -> int:
        return len(self._coming)

    def take(self) -> CodeCell:
        """The next one, which is the current one from now on."""
        self.current = self._coming.pop(0)
        return self.current

    def sent_as(self, request: str) -> None:
        self._requests[request] = self.current

    def of(self, request: str) -> CodeCell:
        """The cell that was sent in this request: what it shows may come late. Of any other request, the current one."""
        return self._requests.get(request, self.current)
