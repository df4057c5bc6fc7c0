"""What `job`, `queue` and `estimate` show of a job that waits on Slurm, in a notebook and in the terminal, and what they ask for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from qhub_ext.job.identity import short_id
from qhub_ext.jobfolder.layout import JobFolder
from tests.front.conftest import Notebook, Place
from tests.slurm.cluster import Cluster
from tests.slurm.fixtures import SlurmWorkshop, surroundings
from tests.slurm.wrappers import NO_CONTROLLER, logged, wrappers
from tests.waiting import wait_until


@dataclass
class Screen:
    """Three jobs on a node with two CPUs: one runs, two wait behind it."""

    place: Place
    running: JobFolder
    first: JobFolder
    second: JobFolder
    commands: Path

    def asked(self) -> str:
        return (self.commands / "squeue.log").read_text()


@pytest.fixture
def screen(bench: SlurmWorkshop, cluster: Cluster, tmp_path: Path) -> Screen:
    commands = wrappers(tmp_path / "bin", **logged("squeue"))
    environment = surroundings(cluster, bench.settings, slurm_commands=str(commands), slurm_poll_s="1")
    running = bench.submit("sleep 300", cpus=2, time_s=1200, site="slurm", name="runs")
    bench.until_running(running)
    first, second = (bench.submit("true", cpus=2, time_s=1200, site="slurm", name=n) for n in ("first", "second"))
    wait_until(lambda: bench.site.explain_reason(second.id).word == "Priority", what="an order of those that wait")
    return Screen(Place(tmp_path, environment), running, first, second, commands)


@pytest.fixture(params=["notebook", "command"])
def ask(request: pytest.FixtureRequest, screen: Screen) -> Iterator[Callable[..., str]]:
    if request.param == "command":
        yield screen.place.command
        return
    notebook = Notebook(screen.place)
    notebook.run("%load_ext qhub_ext")
    yield lambda *words: notebook.run("%qpu " + " ".join(words)).plain
    notebook.close()


def test_a_waiting_job_shows_its_place_what_is_ahead_and_how_old_that_is(
    screen: Screen, ask: Callable[..., str]
) -> None:
    told = ask("job", short_id(screen.second.id))
    lines = {line.split()[0]: line for line in told.splitlines() if line.startswith("  ")}
    assert "2 of 2 that wait in partition wide, by priority (" in lines["place"]
    assert f"ahead: {short_id(screen.first.id)} (yours)" in lines["place"]
    assert "Jobs with a higher priority are ahead of it." in lines["waiting"]
    assert "  as of" in told
    assert " s ago" in told
    assert "none is ahead" in ask("job", short_id(screen.first.id))
    assert "place" not in ask("job", short_id(screen.running.id))
    assert "--start" not in screen.asked()


def test_the_queue_stands_by_priority_and_says_when_that_was(screen: Screen, ask: Callable[..., str]) -> None:
    told = ask("queue")
    head, _, *rows = (line for line in told.splitlines() if line.strip())
    assert head.split() == [
        "place",
        "job",
        "name",
        "owner",
        "state",
        "tier",
        "partition",
        "priority",
        "limit",
        "reason",
    ]
    assert [row.split()[:2] for row in rows[:3]] == [
        ["▶", short_id(screen.running.id)],
        ["1", short_id(screen.first.id)],
        ["2", short_id(screen.second.id)],
    ]
    assert rows[3].startswith("As of ")
    assert "--start" not in screen.asked()


def test_a_start_is_asked_for_on_demand_only_and_is_a_range_where_slurm_has_none(
    screen: Screen, ask: Callable[..., str]
) -> None:
    def planned() -> bool:
        return "Slurm's own plan" in ask("estimate", short_id(screen.first.id))

    wait_until(planned, what="a plan of Slurm's")
    assert "--start" in screen.asked()
    squeue = screen.commands / "squeue"
    squeue.write_text(squeue.read_text().replace("exec", '[[ "$*" == *--start* ]] && { echo N/A; exit 0; }\nexec'))
    told = ask("estimate", short_id(screen.second.id))
    assert "It may start between " in told
    assert " and " in told
    assert "the sum of the time limits of all that is ahead" in told


def test_what_is_known_while_slurm_does_not_answer_is_shown_with_its_age(
    screen: Screen, ask: Callable[..., str]
) -> None:
    ask("job", short_id(screen.second.id))
    wrappers(screen.commands, squeue=NO_CONTROLLER)

    def stale() -> bool:
        told = ask("job", short_id(screen.second.id))
        return "the site cannot be reached; stale since then" in told and "queued" in told

    wait_until(stale, what="the age of the knowledge")
