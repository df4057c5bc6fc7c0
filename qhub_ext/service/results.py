"""What a job brought back: its variables, each loaded when it is asked for, or why there are none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qhub_ext.capture.freeze import thaw_one
from qhub_ext.capture.manifest import Manifest, read_manifest
from qhub_ext.capture.values import left_behind
from qhub_ext.errors import CaptureError, Cause, JobFailedError, UnknownNameError
from qhub_ext.job.identity import short_id
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import AttemptFolder, JobFolder
from qhub_ext.jobfolder.outcome import read_spec, require_own


def no_attribute(owner: object, name: str) -> AttributeError:
    """Of a name that no class has. One that a class has, and that raised this very error itself, raises it again."""
    kind = type(owner)
    if hasattr(kind, name):
        object.__getattribute__(owner, name)
    hint = "" if name.startswith("_") else f" A variable that came back is [{name!r}], with brackets."
    return AttributeError(f"{kind.__name__!r} object has no attribute {name!r}.{hint}", name=name, obj=owner)


class Results(Mapping[str, Any]):
    """The variables that a job brought back, each loaded when it is asked for."""

    def __init__(self, folder: JobFolder, attempt: AttemptFolder) -> None:
        self._folder = folder
        self._attempt = attempt
        self._manifest = read_manifest(attempt.variables) if attempt.variables.is_dir() else Manifest()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise no_attribute(self, name)

    def __getitem__(self, name: str) -> Any:
        if name not in self._manifest.names:
            why = self._manifest.failed.get(name)
            if why:
                raise CaptureError(left_behind(name, why))
            went_along = read_manifest(self._folder.inputs).names
            if name in went_along:  # the job left it as it was, so it did not come back a second time
                require_own(self._folder)
                return thaw_one(self._folder.inputs, name)
            element = read_spec(self._folder).element
            if element is not None and name in element.values:  # what its sweep set
                return element.values[name]
            hidden = name.startswith("_")
            advice = "A name with an underscore before it comes back where --out names it." if hidden else ""
            if not self._manifest.asked:
                raise UnknownNameError(f"There is no variable {name!r}: the job brought none back.", advice=advice)
            raise UnknownNameError.among("variable", name, list(self._manifest.asked), advice=advice)
        require_own(self._folder)
        return thaw_one(self._attempt.variables, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._manifest.asked)

    def __len__(self) -> int:
        return len(self._manifest.asked)

    def __contains__(self, name: object) -> bool:
        return name in self._manifest.names

    def __repr__(self) -> str:
        kinds = ", ".join(f"{n}: {e.summary}" for n, e in self._manifest.names.items())
        return f"Results({kinds})"


class ArrayResults(Mapping[str, list[Any]]):
    """The variables of an array's elements: each name gives a list, in the order of the elements."""

    def __init__(self, elements: Sequence[Results]) -> None:
        self._elements = elements

    def __getitem__(self, name: str) -> list[Any]:
        return [element[name] for element in self._elements]

    def __iter__(self) -> Iterator[str]:
        shared = set.intersection(*(set(e) for e in self._elements)) if self._elements else set()
        return iter(sorted(shared))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        count = len(self._elements)
        return f"ArrayResults({count} element{'' if count == 1 else 's'}: {', '.join(self)})"


def not_yet(job_id: str, state: State, what: str) -> UnknownNameError:
    return UnknownNameError(
        f"Job {short_id(job_id)} is still {state.value}: {what} not come back yet.",
        advice="`job.result()` waits for it.",
    )


def failure(record: JobRecord) -> JobFailedError:
    attempt = record.attempt
    error = JobFailedError(
        f"Job {short_id(record.id)} ({record.spec.name}) {record.state.value.replace('_', ' ')}: "
        f"{attempt.message or 'no reason is known.'}",
        advice=attempt.advice,
    )
    error.cause = Cause(attempt.cause or Cause.UNKNOWN)
    return error
