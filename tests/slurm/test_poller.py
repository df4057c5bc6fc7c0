"""One question for all who watch, with a clock that the test turns."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable

import pytest

from qhub_ext.errors import SiteUnreachableError
from qhub_ext.sites.slurm.listing import Listing, Row
from qhub_ext.sites.slurm.poller import Poller, pending


class Squeue:
    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[list[str]] = []
        self.states: dict[str, str] = {}
        self.down = False

    def __call__(self, bases: Iterable[str]) -> Listing:
        self.asked.append(sorted(bases))
        if self.down:
            raise SiteUnreachableError("down")
        return Listing({b: self.row(b) for b in self.asked[-1] if self.states.get(b, "RUNNING")}, self.now)

    def row(self, base: str) -> Row:
        from dataclasses import replace

        return replace(pending(base, "me"), state=self.states.get(base, "RUNNING"))

    def poller(self, floor: float = 5.0, ceiling: float = 60.0) -> Poller:
        made = Poller(self, floor, ceiling, clock=lambda: self.now)
        made._pause = _NoPause()  # type: ignore[assignment]
        return made


class _NoPause:
    def wait(self, seconds: float) -> None:
        assert 0 < seconds <= 0.25


def test_fifty_watchers_of_a_thousand_jobs_cost_one_question_per_interval() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    jobs = [str(n) for n in range(1000)]
    poller.look(jobs)
    for _ in range(10):
        for watcher in range(50):
            assert len(poller.look(jobs[watcher * 20 : watcher * 20 + 20]).rows) == 20
        squeue.now += 0.4
    assert len(squeue.asked) == 1
    squeue.now += 5
    for watcher in range(50):
        poller.look(jobs[watcher * 20 : watcher * 20 + 20])
    assert [len(a) for a in squeue.asked] == [1000, 1000]


def test_a_job_that_does_not_change_is_asked_about_less_often() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    for _ in range(3600):
        poller.look(["1"])
        squeue.now += 1
    assert 60 < len(squeue.asked) < 120
    before = len(squeue.asked)
    squeue.states["1"] = "COMPLETING"
    for _ in range(120):
        poller.look(["1"])
        squeue.now += 1
    assert len(squeue.asked) - before > 5


def test_nothing_is_asked_when_nobody_watches_and_nothing_of_what_has_ended() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    squeue.states = {"1": "COMPLETED"}
    poller.look(["1", "2"])
    squeue.now += 3600
    assert len(squeue.asked) == 1
    poller.look(["2"])
    assert squeue.asked[-1] == ["2"]


def test_without_an_answer_the_pauses_grow_and_the_error_tells_the_age_of_what_is_known() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    poller.look(["1"])
    squeue.down = True
    began = squeue.now
    for _ in range(300):
        squeue.now += 1
        if squeue.now - began > 5:
            with pytest.raises(SiteUnreachableError) as caught:
                poller.look(["1"])
            assert caught.value.known_at == began
    assert 5 <= len(squeue.asked) <= 12
    squeue.down = False
    squeue.now += 60
    assert poller.look(["1"]).as_of == squeue.now


def test_a_job_just_submitted_is_known_without_asking() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    poller.seed([pending("9", "me")])
    assert poller.look(["9"]).rows["9"].state == "PENDING"
    assert squeue.asked == []


def test_after_a_request_the_next_look_asks() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    poller.look(["1"])
    poller.expire(["1"])
    poller.look(["1"])
    assert len(squeue.asked) == 2


def test_a_request_in_the_middle_of_a_question_makes_the_next_look_ask_again() -> None:
    squeue = Squeue()
    poller = squeue.poller()

    def cancelled_meanwhile(bases: Iterable[str]) -> Listing:
        answer = squeue(bases)
        if len(squeue.asked) == 1:
            poller.expire(["1"])
        return answer

    poller._ask = cancelled_meanwhile
    poller.look(["1"])
    squeue.states["1"] = "CANCELLED"
    assert poller.look(["1"]).rows["1"].state == "CANCELLED"


def test_all_who_watch_the_same_jobs_are_given_the_same_rows() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    jobs = [str(n) for n in range(1000)]
    rows = poller.look(jobs).rows
    assert all(poller.look(jobs).rows is rows for _ in range(50))
    squeue.now += 5
    assert poller.look(jobs).rows is not rows


def test_threads_share_the_question_that_one_of_them_asks() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    threads = [threading.Thread(target=poller.look, args=(["1", "2"],)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(squeue.asked) == 1


def test_a_job_that_slurm_no_longer_has_is_asked_about_until_somebody_concludes() -> None:
    squeue = Squeue()
    squeue.states["1"] = ""
    poller = squeue.poller()
    assert poller.look(["1"]).rows == {}
    with pytest.raises(KeyError):
        poller.look(["1"]).rows["1"]


def test_a_job_that_others_have_submitted_waits_for_its_turn_and_is_called_unasked_until_then() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    poller.look(["1"])
    for n in range(2, 50):  # every tenth of a second one more
        squeue.now += 0.1
        assert poller.look([str(n)]).unasked == {str(n)}
    assert len(squeue.asked) == 1
    squeue.now += 0.5
    assert poller.look(["49"]).unasked == frozenset()
    assert len(squeue.asked) == 2
    assert len(squeue.asked[-1]) == 49


def test_whatever_is_watched_two_questions_are_never_closer_than_the_floor() -> None:
    squeue = Squeue()
    poller, moments = squeue.poller(), []
    ask = poller._ask
    poller._ask = lambda bases: moments.append(squeue.now) or ask(bases)  # type: ignore[func-returns-value]
    for tick in range(2000):
        squeue.now += 0.05
        if tick % 7 == 0:
            poller.seed([pending(str(tick), "me")])
        poller.look([str(tick // 10), str(tick % 91)])
        squeue.states[str(tick % 91)] = ["RUNNING", "COMPLETING", "COMPLETED", ""][tick % 4]
    assert len(moments) > 10
    assert min(after - before for before, after in itertools.pairwise(moments)) >= 5.0


def test_a_slurm_that_needs_long_to_answer_is_left_alone_for_as_long() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    ask = poller._ask

    def slowly(bases: Iterable[str]) -> Listing:
        answer = ask(bases)
        squeue.now += 30
        return answer

    poller._ask = slowly
    began = squeue.now
    found = poller.look(["1"])
    assert found.as_of == began, "an answer is as old as its question"
    for _ in range(29):
        squeue.now += 1
        poller.look(["1"])
    assert len(squeue.asked) == 1
    squeue.now += 1
    poller.look(["1"])
    assert len(squeue.asked) == 2


def test_while_slurm_is_silent_a_new_job_is_not_told_that_it_will_have_its_turn() -> None:
    squeue = Squeue()
    poller = squeue.poller()
    poller.look(["1"])
    squeue.now += 6
    squeue.down = True
    with pytest.raises(SiteUnreachableError):
        poller.look(["1"])
    squeue.now += 1
    with pytest.raises(SiteUnreachableError) as caught:
        poller.look(["2"])
    assert caught.value.known_at is None
    assert len(squeue.asked) == 2


def test_the_queue_of_all_users_is_asked_for_once_per_interval_and_anew_after_a_request() -> None:
    squeue = Squeue()
    asked: list[float] = []

    def everything() -> Listing:
        asked.append(squeue.now)
        if squeue.down:
            raise SiteUnreachableError("down")
        return Listing({}, squeue.now)

    poller = Poller(squeue, 5.0, 60.0, clock=lambda: squeue.now, ask_all=everything)
    first = poller.everything()
    for _ in range(49):
        squeue.now += 0.1
        assert poller.everything() is first
    squeue.now += 0.2
    assert poller.everything() is not first
    poller.seed([pending("9", "me")])
    poller.everything()
    poller.expire(["9"])
    assert poller.everything() is poller.everything()
    assert len(asked) == 4
    squeue.down = True
    for _ in range(30):
        squeue.now += 1
        if squeue.now - asked[3] >= 5:
            with pytest.raises(SiteUnreachableError) as caught:
                poller.everything()
            assert caught.value.known_at == asked[3]
    assert 5 <= len(asked) <= 8
