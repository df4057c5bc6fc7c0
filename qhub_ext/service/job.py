"""A job as a person holds it: live state, outputs, values; every property asks the folder and the site anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.capture.manifest import read_manifest
from qhub_ext.display.card import card_bundle, card_metadata, card_text
from qhub_ext.display.outputs import display_outputs
from qhub_ext.display.tables import Text
from qhub_ext.errors import CaptureError, QhubError, UnknownNameError, UnreadableJobError
from qhub_ext.job.identity import element_id, short_id
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outputs import read_outputs, read_text
from qhub_ext.service.fetching import Fetched, fetch
from qhub_ext.service.results import ArrayResults, Results, failure, no_attribute, not_yet

if TYPE_CHECKING:
    from qhub_ext.diagnosis.explain import Explanation
    from qhub_ext.service.jobs import JobService
    from qhub_ext.service.traces import JobTrace

POLL_FIRST_S = 0.02
POLL_LAST_S = 0.5
REQUEUED_WITHIN_S = 10.0


@dataclass
class Job:
    """`job["x"]` is a variable that came back, `job[3]` an element of an array."""

    id: str
    service: JobService = field(repr=False)
    before: dict[str, str | None] | None = field(default=None, repr=False)
    fresh: bool = field(default=False, repr=False, compare=False)
    """Just submitted: the first card that it shows is the one under which a front end puts the outputs."""
    closer: bool = field(default=False, repr=False, compare=False)
    """Its record tells as well where it stands in the queue, which costs the site a question."""
    _marks: dict[str, str | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._marks = dict(self.before or {})

    def __reduce__(self) -> tuple[Any, ...]:
        """A cell that uses a `Job` takes along which one it is, and looks at it where it runs."""
        return _held_elsewhere, (self.id, str(self.service.shelf.path))

    if not TYPE_CHECKING:  # else every name would be one of a job's

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name)

    @property
    def folder(self) -> JobFolder:
        return self.service.shelf.folder(self.id)

    @property
    def record(self) -> JobRecord:
        record = self.service.record(self.id)
        return self.service.knowledge.with_standing(record) if self.closer else record

    @property
    def state(self) -> str:
        return self.record.state.value

    @property
    def size(self) -> int | None:
        return self.service.spec(self.id).size

    @property
    def elements(self) -> list[Job]:
        return [Job(element_id(self.id, n), self.service) for n in range(self.size or 0)]

    @property
    def absent(self) -> dict[str, str]:
        """Names that the cell made and that could not come back, each with the reason."""
        if self.size is not None:
            return {name: why for element in self.elements for name, why in element.absent.items()}
        attempt = self.folder.latest_attempt()
        return (
            {} if attempt is None or not attempt.variables.is_dir() else dict(read_manifest(attempt.variables).failed)
        )

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """Outputs so far in notebook format (nbformat 4), of the latest attempt."""
        if self.size is not None:
            return [output for element in self.elements for output in element.outputs]
        attempt = self.folder.latest_attempt()
        return [] if attempt is None else read_outputs(attempt)

    def logs(self) -> str:
        """What the cell printed so far, as plain text; of an array, under a heading per element."""
        if self.size is not None:
            return "".join(f"── {short_id(e.id)} ──\n{e.logs()}" for e in self.elements)
        attempt = self.folder.latest_attempt()
        return "" if attempt is None else read_text(attempt)

    def show(self) -> None:
        """Displays the outputs here, as the cell would have shown them; so far, while the job is not at its end."""
        record = self.record
        if record.state.waiting:
            print(f"Job {short_id(self.id)} is {record.state.value}: it has shown nothing yet.")
        display_outputs(self.outputs)

    def wait(self, timeout_s: float | None = None, progress: Callable[[JobRecord], None] | None = None) -> JobRecord:
        """Until the job has ended. Interrupting it, or its timeout (TimeoutError), leaves the job running."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        pause = POLL_FIRST_S
        while True:
            record = self.record
            if progress is not None:
                progress(record)
            if record.state.final:
                return record
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"Job {short_id(self.id)} is still {record.state.value} after {timeout_s:g} s.")
            time.sleep(pause if deadline is None else min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(POLL_LAST_S, pause * 1.3)

    def results(self) -> Results | ArrayResults:
        """What has come back so far, whatever the state."""
        if self.size is not None:
            return ArrayResults(
                [Results(e.folder, e.folder.latest_attempt() or e.folder.attempt(1)) for e in self.elements]
            )
        folder = self.folder
        return Results(folder, folder.latest_attempt() or folder.attempt(1))

    def result(self, timeout_s: float | None = None) -> Results | ArrayResults:
        """Waits for the job; JobFailedError with the job's own last words if it did not complete."""
        record = self.wait(timeout_s)
        if record.state is not State.COMPLETED:
            raise failure(record)
        return self.results()

    def __hash__(self) -> int:
        return hash(self.id)

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return len(self._of_array())

    def __iter__(self) -> Iterator[Job]:
        return iter(self._of_array())

    def _of_array(self) -> list[Job]:
        if self.size is None:
            raise TypeError(f"Job {short_id(self.id)} is not an array: it has no elements.")
        return self.elements

    def __getitem__(self, key: str | int | slice) -> Any:
        if isinstance(key, slice):
            return self._of_array()[key]
        if isinstance(key, int):
            size = self.size
            if size is None:
                raise UnknownNameError(f"Job {short_id(self.id)} is not an array: it has no element {key}.")
            if not -size <= key < size:
                raise UnknownNameError(f"Job {short_id(self.id)} has {size} elements: there is no element {key}.")
            return Job(element_id(self.id, key % size), self.service)
        if self.size is not None:
            return self._of_each(key)
        record = self.record
        results = self.results()
        if key not in results and not record.state.final:
            raise not_yet(self.id, record.state, f"{key!r} has")
        return results[key]

    def _of_each(self, name: str) -> list[Any]:
        found: dict[int, Any] = {}
        why: dict[int, QhubError] = {}
        for number, element in enumerate(self.elements):
            try:
                found[number] = element[name]
            except (UnknownNameError, CaptureError) as error:
                why[number] = error
        if not why:
            return list(found.values())
        first = next(iter(why))
        if not found:
            raise why[first]
        raise UnknownNameError(
            f"{len(why)} of {self.size} elements of job {short_id(self.id)} have no {name!r}; the first is {first}, "
            f"{self[first].state}.",
            advice=f"job[{next(iter(found))}][{name!r}] is that of one element.",
        )

    def fetch(
        self, namespace: MutableMapping[str, Any], names: Mapping[str, str] | None = None, *, force: bool = False
    ) -> Fetched:
        """Puts variables into `namespace` ({its name in the job: its name here}; all by default).

        Never over a value that changed since the job was submitted, unless `force`: such a name stays, the others come.
        """
        return fetch(self, namespace, names, self._marks, force=force)

    def explain(self) -> Explanation:
        """Why it waits, how it ended, or what makes its results doubtful: cause, evidence, whose move it is, what to try."""
        return self.service.explain(self.id)

    def trace(self) -> JobTrace:
        """Where its time went: `.breakdown`, `.advice`, `.trace.spans`; `%qpu trace` draws it."""
        from qhub_ext.service.traces import trace_of

        return trace_of(self.folder, self.record)

    def cancel(self) -> None:
        self.service.apply("cancel", [self.id])

    def hold(self) -> None:
        self.service.apply("hold", [self.id])

    def release(self) -> None:
        self.service.apply("release", [self.id])

    def requeue(self) -> None:
        """Begins a new attempt. Of a job that had ended it returns when that end is no longer the last word, so that `wait` waits."""
        ended = self.record.state.final
        refused = self.service.apply("requeue", [self.id])
        until = time.monotonic() + REQUEUED_WITHIN_S
        while ended and not refused and self.record.state.final and time.monotonic() < until:
            time.sleep(POLL_FIRST_S)

    def __str__(self) -> str:
        return card_text(self.record)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: ARG002 - IPython's
        home, self.fresh = self.fresh, False
        try:
            record = self.record
        except UnreadableJobError as error:  # a name alone on a line is a question, and this its answer
            told = Text(str(error))
            return {"text/plain": told.to_text(), "text/html": told.to_html()}, {}
        return card_bundle(record), card_metadata(self.id) if home else {}


def _held_elsewhere(job_id: str, shelf: str) -> Job:
    from qhub_ext.service.jobs import JobService
    from qhub_ext.settings import current_settings

    return Job(job_id, JobService(current_settings().model_copy(update={"shelf": Path(shelf)})))
