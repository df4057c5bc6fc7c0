"""The jobs of a cell that asked for several tiers, held as one thing."""

from __future__ import annotations

from typing import Any

from qhub_ext.job.record import JobRecord
from qhub_ext.service.job import Job
from qhub_ext.service.results import ArrayResults, Results


class Jobs(list[Job]):
    """Several jobs of one cell, in the order of its tiers."""

    def wait(self, timeout_s: float | None = None) -> list[JobRecord]:
        return [job.wait(timeout_s) for job in self]

    def result(self, timeout_s: float | None = None) -> list[Results | ArrayResults]:
        """Of each job in turn; JobFailedError for the first that did not complete."""
        return [job.result(timeout_s) for job in self]

    def cancel(self) -> None:
        for job in self:
            job.cancel()

    def __getitem__(self, key: Any) -> Any:
        """By place; by the name of a tier or a device, its job; by that of a variable, what each job brought back."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        specs = [job.service.spec(job.id) for job in self]
        named = [job for job, spec in zip(self, specs, strict=True) if key in (spec.tier, spec.device)]
        return named[0] if len(named) == 1 else [job[key] for job in self]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not hasattr(Job, name):
            raise AttributeError(f"'Jobs' object has no attribute {name!r}")
        raise AttributeError(
            f"These are {len(self)} jobs: [job.{name} for job in jobs] has it of each, jobs[0].{name} of the first."
        )

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: ARG002 - IPython's; it would print a list otherwise
        printer.text(str(self))

    def _ipython_display_(self) -> None:
        """A card each, so that each lives and brings its outputs by itself."""
        from IPython.display import display

        for job in self:
            display(job)
