"""Slurm's books hear of things a little after its queue: what is said meanwhile, and what when they never do. No Slurm runs here."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.diagnosis.fleet.written import amend_summary, write_summary
from qhub_ext.errors import Cause, SiteUnreachableError
from qhub_ext.job.state import State
from qhub_ext.job.unexplained import AWAITED_S
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import Outcome, read_record, seal
from qhub_ext.service import JobService
from qhub_ext.settings import Settings, SlurmSettings
from qhub_ext.sites.scheduler import Reason, SiteReport
from qhub_ext.sites.slurm import chronicle as chronicle_module
from qhub_ext.sites.slurm import endings as endings_module
from qhub_ext.sites.slurm import ledger
from qhub_ext.sites.slurm.chronicle import Chronicle
from qhub_ext.sites.slurm.commands import Answer
from qhub_ext.sites.slurm.endings import Endings
from qhub_ext.sites.slurm.ledger import Place
from qhub_ext.sites.slurm.listing import Listing, Row
from qhub_ext.sites.slurm.places import Places
from qhub_ext.sites.slurm.poller import Poller, pending
from qhub_ext.sites.slurm.reasons import explain
from qhub_ext.sites.slurm.reports import Reports
from tests.sites.workshop import Workshop

WAITS = pending("7", "me")
AGAIN = replace(WAITS, restarts=1)
ENDED = replace(WAITS, state="TIMEOUT")


def entry(
    state: str, *, start: int = 1000, end: int = 1012, code: str = "0:0", limit: str = "00:04:00", key: str = "7"
) -> str:
    return "\x1f".join([key, state, code, "None", "two01", "990", str(start), str(end), limit, "a-job"])


@dataclass
class Books:
    """What each command says; `down` names those that do not answer."""

    says: dict[str, str] = field(default_factory=dict)
    down: tuple[str, ...] = ()
    keeps_books: bool = True
    asked: list[str] = field(default_factory=list)

    def run(self, name: str, *words: str, **_: Any) -> Answer:
        self.asked.append(name)
        if name in self.down:
            return Answer(1, "", f"{name}: error: Connection refused", 0.0)
        if name == "sinfo" and any(word.startswith("--Format") for word in words):
            name = "sinfo reason"
        return Answer(0, self.says.get(name, ""), "", 0.0)


class Site:
    """The parts of a Slurm site that tell of ends, with squeue and the books in the hands of the test."""

    name = "slurm"

    def __init__(self, settings: Settings) -> None:
        self.books = Books()
        self.rows: dict[str, Row] = {}
        self.waits = explain("Resources")
        self.places = Places(Path(settings.shelf), None, settings.slurm)  # type: ignore[arg-type]
        self.chronicle = Chronicle(self.books, self.places)  # type: ignore[arg-type]
        poller = Poller(
            lambda _: Listing(dict(self.rows), time.time()), settings.slurm.poll_s, settings.slurm.poll_max_s
        )
        self.endings = Endings(self.books, settings.slurm, self.places, poller, self.chronicle)  # type: ignore[arg-type]
        self.reports = Reports(self.places, poller, self.chronicle, self.endings)

    def poll(self, job_ids: Sequence[str]) -> dict[str, SiteReport]:
        return self.reports.poll(job_ids)

    def explain_reason(self, job_id: str) -> Reason:
        return self.waits


@dataclass
class Late:
    service: JobService
    site: Site
    job: JobFolder

    def seal(self, ended_at: float, job: JobFolder | None = None) -> None:
        """As a runner does that was stopped without a word."""
        attempt = (job or self.job).attempt(1)
        attempt.path.mkdir(parents=True, exist_ok=True)
        write_json(attempt.launch, {"at": ended_at - 10, "node": "two01"})
        vague = Outcome(
            "cancelled",
            ended_at - 9,
            ended_at,
            "unknown",
            "It was asked to end by SIGTERM, and the site left no word why.",
        )
        assert seal(attempt, vague)

    def restart(self) -> bool:
        return self.site.chronicle.tell_restart(self.job, Place("7"), 2)

    @property
    def ends(self) -> list[tuple[State, str | None]]:
        return [(a.state, a.cause) for a in read_record(self.job).attempts]


@pytest.fixture
def late(tmp_path: Path) -> Late:
    """A job that Slurm has as number 7."""
    settings = Settings(
        shelf=tmp_path / "shelf",
        cache=tmp_path / "cache",
        site="slurm",
        slurm=SlurmSettings(poll_s=0.01, poll_max_s=0.01),
    )
    site, service = Site(settings), JobService(settings)
    service._sites["slurm"] = site  # type: ignore[assignment]
    job = Workshop(settings, site).job("", site="slurm", time_s=120)  # type: ignore[arg-type]
    ledger.write_place(job, Place("7"))
    return Late(service, site, job)


LAGGING = {
    "nothing yet": "",
    "it runs still": entry("RUNNING"),
    "it waits still": entry("PENDING"),
}


@pytest.mark.parametrize("said", LAGGING)
def test_why_an_attempt_was_put_back_is_not_made_up_while_the_books_lag_behind(late: Late, said: str) -> None:
    late.seal(time.time() - 1)
    late.site.rows = {"7": AGAIN}
    late.site.books.says = {"sacct": LAGGING[said]}
    record = late.service.record(late.job.id)
    assert [a.state for a in record.attempts] == [State.FINISHING, State.QUEUED]
    why = late.service.explain(late.job.id)
    assert why.cause == "unknown"
    assert "Why attempt 1 ended is asked of the site." in why.sentence
    late.site.waits = replace(explain("BeginTime"), audience="site")
    late.site.books.says = {"sacct": entry("NODE_FAIL")}
    time.sleep(0.02)  # the least time between two questions
    record = late.service.record(late.job.id)
    assert [(a.state, a.cause) for a in record.attempts] == [(State.FAILED, "integration"), (State.QUEUED, None)]
    why = late.service.explain(late.job.id)
    assert (why.cause, why.findings[0].confidence) == ("integration", "sure")
    asked = len(late.site.books.asked)
    late.service.record(late.job.id)
    assert len(late.site.books.asked) == asked, "what is known is not asked again"


def test_of_books_that_lag_the_same_is_not_asked_more_often_than_the_site_allows(late: Late) -> None:
    late.site.places.settings = late.site.places.settings.model_copy(update={"poll_s": 60.0})
    late.seal(time.time() - 1)
    late.site.rows = {"7": AGAIN}
    for _ in range(5):
        late.service.record(late.job.id)
    assert late.site.books.asked.count("sacct") == 1


@pytest.mark.parametrize("trouble", [(), ("sacct",)])
def test_what_the_books_never_tell_of_is_told_as_unknown_in_the_end_and_by_nobody_twice(
    late: Late, monkeypatch: pytest.MonkeyPatch, trouble: tuple[str, ...]
) -> None:
    late.site.books.down = trouble
    late.seal(time.time() - 1)
    assert not late.restart()
    monkeypatch.setattr(chronicle_module, "BOOKS_LATE_S", 0.5)
    time.sleep(0.02)
    assert late.restart()
    assert late.ends == [(State.CANCELLED, "unknown"), (State.QUEUED, None)]
    assert late.service.shelf.record(late.job.id).attempts[0].state is State.CANCELLED, "nothing more is awaited"
    events = [path.read_text() for path in late.job.journals.iterdir()]
    assert late.restart()
    assert [path.read_text() for path in late.job.journals.iterdir()] == events


def test_a_node_that_is_out_of_service_tells_of_its_failure_where_the_books_do_not(late: Late) -> None:
    late.seal(time.time() - 600)
    late.site.books.says = {"sinfo": "down*\n", "sinfo reason": "fan\x1f"}
    assert late.restart()
    assert late.ends[0] == (State.FAILED, "integration")
    told = read_record(late.job).attempts[0].message
    assert told.endswith("most likely because its node failed: two01 is out of service (fan).")


def test_without_books_nobody_waits_for_them(late: Late) -> None:
    late.site.books.keeps_books = False
    late.seal(time.time() - 1)
    assert late.restart()
    assert late.ends[0] == (State.CANCELLED, "unknown")


def test_an_attempt_that_its_owner_had_queued_again_needs_no_books(late: Late) -> None:
    late.seal(time.time() - 1)
    ledger.say(late.job, "stop", why="requeue", attempt=1)
    assert late.restart()
    assert late.ends[0] == (State.CANCELLED, "user")


def test_an_end_without_a_word_is_finishing_until_slurm_says_why(late: Late) -> None:
    late.seal(time.time() - 1)
    late.site.rows = {"7": replace(WAITS, state="RUNNING")}
    assert late.service.record(late.job.id).state is State.FINISHING, "squeue has not heard of it"
    time.sleep(0.02)
    late.site.rows = {}
    record = late.service.record(late.job.id)
    assert (record.state, record.attempt.cause) == (State.FINISHING, None)
    assert record.attempt.message == "It was asked to end, and Slurm is asked why; its accounting is awaited."
    with pytest.raises(TimeoutError):
        late.service.job(late.job.id).wait(0.05)
    assert "accounting is awaited" in late.service.explain(late.job.id).sentence
    now = int(time.time())
    late.site.books.says = {"sacct": entry("TIMEOUT", start=now - 12, end=now - 1)}
    time.sleep(0.02)
    record = late.service.job(late.job.id).wait(20)
    assert (record.state, record.attempt.cause) == (State.TIMED_OUT, "queue policy")


def test_a_job_that_slurm_was_not_asked_about_yet_has_not_ended_for_good(late: Late) -> None:
    """As when a listing has just asked about others."""
    late.seal(time.time() - 1)
    late.site.rows = {"7": replace(WAITS, state="TIMEOUT")}
    late.site.places.learn({late.job.id: Place("7")})
    look = late.site.reports._poller.look
    look(["8"])  # of another one, just now
    late.site.reports._poller._floor = late.site.reports._poller._ceiling = 60.0
    assert look(["7"]).unasked == {"7"}
    (report,) = late.site.poll([late.job.id]).values()
    assert report.state is State.FINISHING


def test_an_end_that_neither_queue_nor_books_know_of_stays_what_its_runner_saw(late: Late) -> None:
    late.seal(time.time() - endings_module.LOST_AFTER_S)
    record = late.service.record(late.job.id)
    assert (record.state, record.attempt.cause) == (State.CANCELLED, "unknown")
    assert "the site left no word why" in record.attempt.message


def test_an_end_that_slurm_cannot_explain_either_is_told_at_once(late: Late) -> None:
    late.seal(time.time() - 1)
    late.site.rows = {"7": replace(WAITS, state="COMPLETED")}
    late.site.books.says = {"sacct": entry("COMPLETED")}
    record = late.service.record(late.job.id)
    assert (record.state, record.attempt.cause, record.attempt.word) == (State.CANCELLED, "unknown", "COMPLETED")
    assert "the site left no word why" in record.attempt.message


@pytest.mark.parametrize(
    ("limit", "ends"), [("00:00:00", (State.TIMED_OUT, "queue policy")), ("00:04:00", (State.CANCELLED, "unknown"))]
)
def test_the_warning_of_a_limit_that_was_shortened_is_told_from_a_signal_of_nobodys(
    late: Late, limit: str, ends: tuple[State, str]
) -> None:
    now = int(time.time())
    late.seal(now - 1)
    late.site.books.says = {"sacct": entry("FAILED", start=now - 12, end=now - 1, code="1:0", limit=limit)}
    record = late.service.record(late.job.id)
    assert (record.state, record.attempt.cause) == ends
    assert ("its limit was shortened while it ran" in record.attempt.message) is (ends[0] is State.TIMED_OUT)


def test_the_first_look_after_days_is_final_and_told_right_where_the_books_know(late: Late) -> None:
    days_ago = int(time.time()) - 3 * 86400
    late.seal(days_ago)
    assert late.service.shelf.record(late.job.id).state is State.CANCELLED
    late.site.books.down = ("sacct", "scontrol")
    record = late.service.record(late.job.id)
    assert (record.state, record.stale_since) == (State.CANCELLED, None)
    late.site.books.down = ()
    late.site.books.says = {"sacct": entry("TIMEOUT", start=days_ago - 12, end=days_ago)}
    time.sleep(0.02)
    record = late.service.record(late.job.id)
    assert (record.state, record.attempt.cause) == (State.TIMED_OUT, Cause.QUEUE_POLICY)


def test_a_site_that_cannot_be_asked_is_waited_for_and_not_for_ever(
    late: Late, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: Sequence[str]) -> dict[str, SiteReport]:
        raise SiteUnreachableError("down")

    monkeypatch.setattr(late.site, "poll", silent)
    late.seal(time.time() - 1)
    seen = late.service.record(late.job.id)
    assert (seen.state, seen.stale_since is not None) == (State.FINISHING, True)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + AWAITED_S)
    word = late.service.knowledge.ask_sites([seen])
    assert late.service.knowledge.merge(seen, word).state is State.CANCELLED, "also for whoever read it before"


def test_a_listing_and_a_server_see_no_end_before_the_site_told_it(late: Late) -> None:
    from qhub_ext.server.lookout import Lookout

    late.seal(time.time() - 1)
    (listed,) = late.service.jobs()
    assert listed.state == "finishing"
    seen = Lookout(late.service).look()
    assert [r.state for r in seen.records.values()] == [State.FINISHING]
    assert not seen.settled


def test_the_summary_of_an_attempt_is_written_when_its_end_is_known(late: Late) -> None:
    now = int(time.time())
    late.seal(now - 1)
    write_json(late.job.attempt(1).runtime, {"qos": "gold", "host": "two01"})
    assert write_summary(late.job, 1) is None
    late.site.books.says = {"sacct": entry("TIMEOUT", start=now - 12, end=now - 1)}
    assert late.service.record(late.job.id).state is State.TIMED_OUT
    summary = write_summary(late.job, 1)
    assert summary is not None
    assert (summary.state, summary.cause, summary.qos, summary.node) == ("timed_out", "queue policy", "gold", "two01")
    assert amend_summary(late.job, 1) is None


def test_of_a_job_that_has_ended_meanwhile_the_attempt_before_is_asked_about_as_well(late: Late) -> None:
    now = int(time.time())
    late.seal(now - 2)
    late.site.rows = {"7": AGAIN}
    late.service.record(late.job.id)
    attempt = late.job.attempt(2)
    attempt.path.mkdir()
    assert seal(attempt, Outcome("completed", now - 1.0, float(now)))
    late.site.rows = {"7": replace(AGAIN, state="COMPLETED")}
    time.sleep(0.02)
    late.site.books.says = {
        "sacct": entry("NODE_FAIL", end=now - 2) + "\n" + entry("COMPLETED", start=now - 1, end=now)
    }
    assert late.site.poll([late.job.id]) == {}
    assert late.ends == [(State.FAILED, "integration"), (State.COMPLETED, None)]


def test_a_job_that_was_stopped_is_asked_about_soon_and_once(late: Late) -> None:
    """However seldom squeue is asked about a job that has run for long."""
    late.site.rows = {"7": replace(WAITS, state="RUNNING")}
    attempt = late.job.attempt(1)
    attempt.path.mkdir(parents=True)
    write_json(attempt.launch, {"at": time.time(), "node": "two01"})
    poller = late.site.reports._poller
    poller._floor = poller._ceiling = 60.0
    for _ in range(5):
        assert late.service.record(late.job.id).state is State.RUNNING
    assert poller.questions == 1
    late.seal(time.time() - 1)
    for _ in range(5):
        assert late.service.record(late.job.id).state is State.FINISHING
    assert poller.questions == 2


def test_an_array_goes_on_while_the_end_of_an_element_is_asked_of_slurm(late: Late) -> None:
    now = int(time.time())
    shop = Workshop(late.service.settings, late.site)  # type: ignore[arg-type]
    whole, (one, two) = shop.array("", 2, site="slurm", time_s=120)
    for number, element in enumerate((one, two)):
        ledger.write_place(element, Place(f"7_{number}"))
    one.attempt(1).path.mkdir(parents=True)
    assert seal(one.attempt(1), Outcome("completed", now - 5.0, now - 2.0))
    late.seal(now - 1, two)
    record = late.service.record(whole.id)
    assert (record.state, record.done) == (State.RUNNING, 1)
    time.sleep(0.02)
    late.site.books.says = {"sacct": entry("TIMEOUT", start=now - 12, end=now - 1, key="7_1")}
    record = late.service.record(whole.id)
    assert (record.state, record.done, record.attempt.cause) == (State.TIMED_OUT, 2, "queue policy")
    assert late.service.job(whole.id).wait(20).state is State.TIMED_OUT


def test_an_array_has_ended_where_its_site_has_no_more_to_say_of_an_element(late: Late) -> None:
    shop = Workshop(late.service.settings, late.site)  # type: ignore[arg-type]
    whole, (one, two) = shop.array("", 2, site="slurm", time_s=120)
    for element in (one, two):  # which Slurm never had
        late.seal(time.time() - 1, element)
    assert late.service.record(whole.id).state is State.CANCELLED
