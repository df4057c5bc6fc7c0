from __future__ import annotations

import pytest

from qhub_ext.broker.demo import TASKS, figure, run_demo, timeline


@pytest.mark.slow
def test_the_demonstration_shows_preemption_and_loses_no_shot() -> None:
    told: list[str] = []
    shown = run_demo("kingston", told.append)
    assert len(shown) == len(TASKS)
    assert all(s.row.state == "completed" and s.row.done == s.row.shots for s in shown)
    trial = shown[0]
    urgent = next(s for s in shown if s.profile == "production")
    assert len(trial.slices) > 1
    assert trial.row.submitted_at < urgent.row.submitted_at < urgent.row.ended_at < trial.row.ended_at
    inside = [s for s in trial.slices if urgent.slices[0].sent_at < s.sent_at < urgent.slices[-1].ended_at]
    assert inside == [], "while production runs, development waits"
    text = timeline(shown)
    assert "bob: trial (development)" in text
    assert "120,000 of 120,000 shots" in text
    told_of = [bar for bar in figure(shown).data if bar.type == "bar"]
    assert [bar.name for bar in told_of] == ["waits", "production", "test", "development"]
    assert list(told_of[0].y) == [f"{s.name}<br>{s.profile}" for s in shown], "in the order in which they came"
