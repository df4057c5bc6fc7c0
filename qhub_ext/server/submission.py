"""A submission as JSON, read into the same request as a line of `%%qpu`; and what a repeated key means.

The options are those of the table in `qhub_ext.capture.options`, by their names: `{"shots": 4000, "time": "10m"}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.job.identity import short_id
from qhub_ext.server.one_job import known
from qhub_ext.server.replies import ConflictError

if TYPE_CHECKING:
    from qhub_ext.capture.request import Request
    from qhub_ext.service import Draft, JobService

KINDS = ("cell", "script", "notebook")
ELSEWHERE = frozenset({"wait", "dry-run", "as", "in", "without"})
"""Options that mean something only where there is a notebook or a terminal."""
ANOTHER = ("snapshot", "runtime")
"""What a rerun may have another of, beside tier and device; the words are those of `service.again`."""
LONGEST_KEY = 200
LONGEST_WORD = 80


@dataclass(frozen=True)
class Submission:
    """`path` is below the server's root; `source` is empty then."""

    kind: str
    source: str
    path: str
    options: dict[str, Any]
    digest: str


def read_submission(body: dict[str, Any]) -> Submission:
    """Raises InvalidOptionError for what the body says about itself; options are read in a thread."""
    options = dict(body)
    source, path = options.pop("source", None), options.pop("path", None)
    if (source is None) == (path is None):
        raise InvalidOptionError("Either source or path says what is to run, and not both.")
    text = source if path is None else path
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InvalidOptionError(f"{'source' if path is None else 'path'} is not a text that could be run.")
    usual = "cell" if path is None else "notebook" if text.endswith(".ipynb") else "script"
    kind = options.pop("kind", usual)
    if kind not in KINDS:
        raise InvalidOptionError(f"kind {str(kind)[:80]!r} is not accepted.", advice=f"One of {', '.join(KINDS)}.")
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    return Submission(kind, source or "", path or "", options, digest)


def submit(service: JobService, root: Path, wanted: Submission, key: str) -> tuple[dict[str, Any], bool]:
    """The job, and whether it is new: the same `key` again is the same job. Raises ConflictError for another body."""
    from qhub_ext.jobfolder.receipts import Receipt, write_receipt

    if key:
        before = _submitted_before(service, wanted, key)
        if before is not None:
            return before, False
    with as_options():
        draft = _draft(service, root, wanted)
    if key:
        write_receipt(service.shelf.path, key, Receipt(draft.spec.id, wanted.digest, time.time()))
    job = service.submit(draft)
    return _named(job.id) | {"warnings": list(draft.warnings)}, True


def _named(job_id: str) -> dict[str, Any]:
    return {"id": job_id, "short_id": short_id(job_id)}


def _submitted_before(service: JobService, wanted: Submission, key: str) -> dict[str, Any] | None:
    from qhub_ext.jobfolder.receipts import read_receipt

    if len(key) > LONGEST_KEY:
        raise InvalidOptionError(f"The Idempotency-Key has {len(key)} characters; at most {LONGEST_KEY} are taken.")
    receipt = read_receipt(service.shelf.path, key)
    if receipt is None or not service.shelf.folder(receipt.job_id).spec.exists():
        return None
    if receipt.digest != wanted.digest:
        raise ConflictError(
            f"This Idempotency-Key has submitted job {short_id(receipt.job_id)}, from another request.",
            advice="Take a new key for a new job.",
            facts=_named(receipt.job_id),
        )
    return _named(receipt.job_id) | {"warnings": []}


def _draft(service: JobService, root: Path, wanted: Submission) -> Draft:
    from qhub_ext.service.jobs import read_source

    request = read_request(wanted.options)
    if not wanted.path:
        namespace: dict[str, Any] | None = {} if wanted.kind == "cell" else None
        draft = service.draft(request, wanted.source, namespace, kind=wanted.kind)
        return _in_directory(draft, root)
    path = inside(root, wanted.path)
    if request.name is None:
        request = replace(request, name=path.name)
    draft = service.draft(request, read_source(path), kind=wanted.kind, file=str(path))
    return _in_directory(draft, path.parent)


def _in_directory(draft: Draft, directory: Path) -> Draft:
    """Where the files of the user lie, not where the server happened to be started."""
    spec, elements = (
        replace(draft.spec, directory=str(directory)),
        tuple(replace(element, directory=str(directory)) for element in draft.elements),
    )
    return replace(draft, spec=spec, elements=elements)


def inside(root: Path, path: str) -> Path:
    """A file below the server's root_dir, links resolved. Raises InvalidOptionError for one that lies elsewhere."""
    whole = os.path.realpath(root)
    try:
        found = os.path.realpath(os.path.join(whole, path.lstrip("/")))
    except (OSError, ValueError) as error:
        raise InvalidOptionError(f"path {path[:200]!r} is not a path: {error}.") from None
    if os.path.commonpath([whole, found]) != whole or found == whole:
        raise InvalidOptionError(f"path {path[:200]!r} lies outside of the server's root folder.")
    return Path(found)


def read_request(options: dict[str, Any]) -> Request:
    """Raises InvalidOptionError or UnknownNameError with the same sentences as a line of `%%qpu`."""
    from qhub_ext.capture.command import parse_words
    from qhub_ext.capture.options import OPTIONS

    allowed = {option.name: option for option in OPTIONS if option.name not in ELSEWHERE}
    words: list[str] = []
    for name, value in options.items():
        option = allowed.get(name.replace("_", "-"))
        if option is None:
            raise UnknownNameError.among("option", name[:80], sorted(allowed))
        if value is None or value is False:
            continue
        if option.kind == "flag":
            words += [option.flag] if value is True else [f"{option.flag}={value}"]
        else:
            words += [f"{option.flag}={text}" for text in _texts(option.name, value)]
    request, _ = parse_words(words, None, tuple(allowed.values()))
    if len(request.tiers) > 1:
        raise InvalidOptionError("tier names several; a submission is one job.", advice="Submit once for each tier.")
    return request


_UNITS = {"time": "s", "memory": "M"}


def _texts(name: str, value: Any) -> Iterator[str]:
    """A JSON value as the text of an option: a number of `time` is in s, one of `memory` in MiB; an object is pairs."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield f"{key}={','.join(_texts('', one))}"
    elif isinstance(value, list):
        for one in value:
            yield from _texts(name, one)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield f"{value:.15g}{_UNITS.get(name, '')}"
    elif isinstance(value, str):
        yield value
    else:
        raise InvalidOptionError(f"{name} {json.dumps(value)[:80]} is not accepted.")


@contextmanager
def as_options() -> Iterator[None]:
    """An unknown name in the body is a slip in the request, not a page that is missing."""
    try:
        yield
    except UnknownNameError as error:
        raise InvalidOptionError(error.message, advice=error.advice) from error


def rerun(service: JobService, job_id: str, body: dict[str, Any]) -> dict[str, Any]:
    known(service, job_id)
    strange = sorted(body.keys() - {"tier", "device", *ANOTHER})
    if strange:
        raise InvalidOptionError(
            f"A rerun takes no {strange[0][:80]!r}.", advice="It takes tier, device, snapshot and runtime."
        )
    another = {name: body[name] for name in ANOTHER if body.get(name) is not None}
    for name, value in another.items():
        if not isinstance(value, str) or len(value) > LONGEST_WORD:
            raise InvalidOptionError(f"{name} {json.dumps(value)[:80]} is not accepted.")
    with as_options():
        request = read_request({name: value for name, value in body.items() if name not in ANOTHER})
        job = service.rerun(job_id, tier=request.tier, device=request.device, **another)
    return _named(job.id)
