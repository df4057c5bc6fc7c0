"""`%qpu` and `%%qpu` inside a job: a notebook that was submitted whole runs unchanged, each `%%qpu` cell where it stands.

The line of a `%%qpu` cell becomes a line magic of its own before the cell is compiled, and the rest stays an ordinary cell:
its `await`, its last value, its tracebacks and line numbers are as without it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from IPython.core.error import UsageError
from IPython.core.inputtransformer2 import cell_magic
from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class

from qhub_ext.capture.command import parse_line
from qhub_ext.capture.request import Request
from qhub_ext.errors import UserError
from qhub_ext.job import context
from qhub_ext.job.identity import short_id
from qhub_ext.runner.here_job import HereJob
from qhub_ext.tiers import catalog

_HEAD = re.compile(r"%%qpu(\s.*)?", re.DOTALL)


def register(shell: Any) -> None:
    """Also for `%load_ext qhub_ext`, which a notebook may say as often as it likes."""
    shell.register_magics(InPlaceMagics)
    cleanup = shell.input_transformers_cleanup
    if in_place not in cleanup:
        cleanup.insert(cleanup.index(cell_magic) if cell_magic in cleanup else len(cleanup), in_place)


def in_place(lines: list[str]) -> list[str]:
    if not lines or not _HEAD.fullmatch(lines[0]) or "".join(lines[1:]).lstrip().startswith("%%"):
        return lines  # `%%qpu` over another cell magic is a cell magic itself
    return [f"get_ipython().run_line_magic('qpu_here', {lines[0][5:].strip()!r})\n", *lines[1:]]


@magics_class
class InPlaceMagics(Magics):
    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self._shell = shell

    @line_cell_magic
    def qpu(self, line: str, cell: str | None = None) -> None:
        if cell is None:
            _say(f"`{f'%qpu {line}'.strip()}` does nothing here: this runs inside job {_job()}.")
            return
        self._begin(line)
        head, _, rest = cell.lstrip().partition("\n")
        name, _, words = head[2:].partition(" ")
        self._shell.run_cell_magic(name, words, rest)

    @line_magic
    def qpu_here(self, line: str) -> None:
        self._begin(line)

    def _begin(self, line: str) -> None:
        """The options of a `%%qpu` line that mean something in place: shots, seed and --as."""
        try:
            request = parse_line(line, self._shell.user_ns)
        except UserError as error:
            raise UsageError(str(error)) from None
        if request.sweeps:
            raise UsageError(f"--sweep makes an array of jobs, and this cell runs in place, inside job {_job()}.")
        here = context.current()
        ignored = _elsewhere(request, here)
        if ignored:
            place = f"inside job {_job()} on {here.tier}, {here.device}"
            _say(f"This cell runs in place, {place}: {' '.join(ignored)} changes nothing.")
        context.enter(
            replace(
                here,
                shots=here.shots if request.shots is None else request.shots,
                seed=here.seed if request.seed is None else request.seed,
            )
        )

        def restore(result: Any) -> None:
            self._shell.events.unregister("post_run_cell", restore)
            context.enter(here)
            if request.variable and result.success:
                stand_in = HereJob(_job(), self._shell.user_ns)
                self._shell.user_ns[request.variable] = stand_in if len(request.tiers) == 1 else [stand_in]

        self._shell.events.register("post_run_cell", restore)


def _elsewhere(request: Request, here: context.ExecutionContext) -> Sequence[str]:
    """What the line asks for that this job is not."""
    return [
        *([f"--tier {request.tier}"] if request.tier not in (None, here.tier) else []),
        *([f"--device {request.device}"] if request.device and catalog.resolve(request.device) != here.device else []),
        *([f"--site {request.site}"] if request.site not in (None, here.site) else []),
        *(["--dry-run"] if request.dry_run else []),
    ]


def _job() -> str:
    return short_id(context.current().job_id or "")


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr)
