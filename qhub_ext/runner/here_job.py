"""What `%%qpu --as NAME` leaves in NAME where the cell ran in place: the answers of a Job that has completed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

from qhub_ext.errors import UnknownNameError


class HereJob(Mapping[str, Any]):
    """Its results are the variables as they were when the cell ended."""

    state = "completed"

    def __init__(self, job_id: str, variables: Mapping[str, Any]) -> None:
        self.id = job_id
        self._variables = {n: v for n, v in variables.items() if not n.startswith("_")}

    def wait(self, timeout_s: float | None = None) -> Self:  # noqa: ARG002 - as Job has it
        return self

    def result(self, timeout_s: float | None = None) -> Self:  # noqa: ARG002 - as Job has it
        return self

    def results(self) -> Self:
        return self

    def show(self) -> None:
        """Its outputs stand where it ran."""

    def logs(self) -> str:
        return ""

    def __getitem__(self, name: str) -> Any:
        if name not in self._variables:
            raise UnknownNameError.among("variable", name, sorted(self._variables))
        return self._variables[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._variables)

    def __len__(self) -> int:
        return len(self._variables)

    def __repr__(self) -> str:
        return f"<ran in place, inside job {self.id}>"
