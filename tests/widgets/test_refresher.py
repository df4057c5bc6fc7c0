"""One thread for all widgets: it looks, draws what changed, says what is wrong, and ends."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from qhub_ext.errors import SiteUnreachableError
from qhub_ext.widgets.refresher import Refresher, Watch
from tests.waiting import wait_until


@dataclass
class Subject:
    """Answers with a number that grows until it is closed."""

    drawn: list[int] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    closed: bool = False
    error: Exception | None = None
    asked: int = 0

    def ask(self) -> int:
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.asked

    @property
    def watch(self) -> Watch:
        return Watch(self.ask, self.drawn.append, self.said.append, lambda: self.closed, lambda answer: answer)


def test_it_draws_until_the_widget_is_closed_and_then_its_thread_is_gone() -> None:
    refresher, subject = Refresher(), Subject()
    assert not refresher.running
    refresher.watch(subject.watch)
    wait_until(lambda: len(subject.drawn) >= 2, what="two drawings")
    subject.closed = True
    refresher.nudge()
    wait_until(lambda: not refresher.running, what="the end of the thread")
    asked = subject.asked
    again = Subject()
    refresher.watch(again.watch)
    wait_until(lambda: again.drawn, what="a drawing by a new thread")
    assert subject.asked == asked
    again.closed = True
    refresher.nudge()
    wait_until(lambda: not refresher.running, what="the end of the thread")


def test_a_site_that_cannot_be_reached_is_said_once_and_taken_back() -> None:
    refresher, subject = Refresher(), Subject(error=SiteUnreachableError("The site does not answer."))
    refresher.watch(subject.watch)
    wait_until(lambda: subject.asked >= 3, what="three questions")
    assert subject.said == ["The site does not answer."]
    subject.error = None
    refresher.nudge()
    wait_until(lambda: subject.drawn, what="a drawing")
    assert subject.said == ["The site does not answer.", ""]
    subject.closed = True
    refresher.nudge()
    wait_until(lambda: not refresher.running, what="the end of the thread")


def test_a_bug_ends_one_widget_and_not_the_others(caplog: pytest.LogCaptureFixture) -> None:
    refresher, broken, sound = Refresher(), Subject(error=KeyError("bug")), Subject()
    refresher.watch(broken.watch)
    refresher.watch(sound.watch)
    wait_until(lambda: broken.said and len(sound.drawn) > 1, what="the verdict on one and drawings of the other")
    assert "not brought up to date" in broken.said[0]
    assert broken.asked == 1
    assert "KeyError" in caplog.text
    sound.closed = True
    refresher.nudge()
    wait_until(lambda: not refresher.running, what="the end of the thread")


def test_there_is_one_thread_whatever_the_number_of_widgets() -> None:
    refresher, subjects = Refresher(), [Subject() for _ in range(20)]
    for subject in subjects:
        refresher.watch(subject.watch)
    wait_until(lambda: all(s.drawn for s in subjects), what="a drawing of each")
    assert [t.name for t in threading.enumerate()].count("qhub-refresher") == 1
    for subject in subjects:
        subject.closed = True
    refresher.nudge()
    wait_until(lambda: not refresher.running, what="the end of the thread")
