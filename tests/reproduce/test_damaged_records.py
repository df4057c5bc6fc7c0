"""Records of jobs that are JSON still, with a value of another kind in them: no verb answers with a traceback."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhub_ext.errors import QhubError
from qhub_ext.service import Job, JobService
from qhub_ext.settings import load_settings
from qhub_ext.verbs import Surface, verbs
from qhub_ext.verbs.jobs import job_page

FOLDERS = Path(__file__).parents[1] / "data" / "folders" / "v1"
JOBS = sorted(path.name for path in FOLDERS.iterdir())
FILES = sorted(path.relative_to(FOLDERS) for path in FOLDERS.rglob("*") if ".json" in path.name and path.stat().st_size)
GONE = object()
KINDS = [None, 7, -1.5, "x", True, [], [None, 3], {}, {"a": None}, GONE]
ASKED = [
    ["jobs"],
    ["fleet"],
    ["fleet", "slo"],
    ["usage"],
    ["prune", "--older-than", "1d"],
    *[[verb, "JOB"] for verb in ("job", "explain", "trace", "logs", "fetch", "tasks")],
    ["calibration", "--job", "JOB"],
    ["diff", "JOB", "OTHER"],
    ["export", "JOB", "-o", "FILE"],
]


class Shelf:
    """A shelf of all the kept folders, and what `qhub WORDS` says of it in this process."""

    def __init__(self, place: Path) -> None:
        self.place = place
        names = {"QHUB_SHELF": "jobs", "QHUB_CACHE": "cache", "QHUB_EMBEDDED_DIRECTORY": "site"}
        self._environment = {name: str(place / folder) for name, folder in names.items()}
        self.path = place / "jobs"
        self.path.mkdir(mode=0o700)
        for name in JOBS:
            self.put(name)

    def put(self, name: str) -> None:
        job = self.path / name
        shutil.rmtree(job, ignore_errors=True)
        shutil.copytree(FOLDERS / name, job)
        for folder in (job, *(path for path in job.rglob("*") if path.is_dir())):
            folder.chmod(0o700)
        shutil.rmtree(self.place / "cache", ignore_errors=True)

    def ask(self, *words: str) -> str:
        """The answer, or why there is none."""
        written: list[str] = []
        surface = Surface(JobService(load_settings(self._environment, [])), write=written.append)
        try:
            view = verbs.main(list(words), prog_name="qhub", standalone_mode=False, obj=surface)
            shown = "" if view is None else job_page(view) if isinstance(view, Job) else str(view.to_text(None))
        except (QhubError, click.ClickException) as error:
            shown = str(error)
        return "".join([*written, shown])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("damaged"))


def read(path: Path) -> list[Any]:
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
    return [json.loads(line) for line in lines] if path.suffix == ".jsonl" else [json.loads(b"\n".join(lines))]


def write(path: Path, records: list[Any]) -> None:
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def steps_into(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    inside = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, one in inside:
        yield from ((key, *rest) for rest in steps_into(one))


def changed(value: Any, steps: tuple[Any, ...], to: Any) -> Any:
    if not steps:
        return {} if to is GONE else to
    copy = value.copy()
    if len(steps) == 1 and to is GONE:
        del copy[steps[0]]
    else:
        copy[steps[0]] = changed(value[steps[0]], steps[1:], to)
    return copy


@st.composite
def damages(draw: st.DrawFn) -> tuple[Path, list[Any]]:
    """A file, and what stands in it now."""
    file = draw(st.sampled_from(FILES))
    records = read(FOLDERS / file)
    line = draw(st.integers(0, len(records) - 1))
    steps = draw(st.sampled_from(list(steps_into(records[line]))))
    records[line] = changed(records[line], steps, draw(st.sampled_from(KINDS)))
    return file, records


@settings(max_examples=100)
@given(damage=damages(), words=st.sampled_from(ASKED))
def test_a_value_of_another_kind_in_a_record_ends_no_verb_in_a_traceback(
    shelf: Shelf, damage: tuple[Path, list[Any]], words: list[str]
) -> None:
    file, records = damage
    whole = file.parts[0]
    job = f"{whole}.{file.parts[2]}" if "elements" in file.parts else whole
    words = [{"JOB": job, "OTHER": next(one for one in JOBS if one != whole), "FILE": str(shelf.place / "out.zip")}.get(w, w) for w in words]  # fmt: skip
    try:
        write(shelf.path / file, records)
        shelf.ask(*words)
    finally:
        shelf.put(whole)


def test_what_is_damaged_is_named(shelf: Shelf) -> None:
    failed = next(
        path.parents[2]
        for path in FILES
        if path.name == "outcome.json" and "ZeroDivision" in (FOLDERS / path).read_text()
    )
    spec, outcome = (failed / name for name in ("spec.json", "attempts/1/outcome.json"))
    try:
        (record,) = read(FOLDERS / outcome)
        write(shelf.path / outcome, [record | {"running_at": "noon", "message": 7}])
        assert "outcome.json of attempt 1 is damaged: its running_at, message cannot be read." in shelf.ask(
            "job", str(failed)
        )
        assert "ZeroDivisionError" in shelf.ask("logs", str(failed))
        shelf.put(str(failed))
        (record,) = read(FOLDERS / spec)
        write(shelf.path / spec, [record | {"shots": "many"}])
        assert "(its shots is 'many')" in shelf.ask("job", str(failed))
        assert "lost" in shelf.ask("jobs")
    finally:
        shelf.put(str(failed))


def test_a_summary_without_its_versions_is_passed_over(shelf: Shelf) -> None:
    told = next(path for path in FILES if path.name == "summary.json")
    try:
        (record,) = read(FOLDERS / told)
        write(shelf.path / told, [record | {"versions": None}])
        assert "ended in the last" in shelf.ask("fleet")
    finally:
        shelf.put(told.parts[0])
