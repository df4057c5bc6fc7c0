from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from qhub_ext.broker.demo import TASKS, Shown, figure, run_demo, timeline
from qhub_ext.service import JobService
from qhub_ext.verbs import Surface, verbs


@pytest.fixture(scope="module")
def shown() -> list[Shown]:
    return run_demo("kingston", lambda text: None)


@pytest.mark.slow
def test_the_command_prints_the_timeline_and_writes_the_picture(
    shown: list[Shown], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("qhub_ext.broker.demo.run_demo", lambda device, tell: shown)
    done = CliRunner().invoke(
        verbs,
        ["demo", "broker", "--json", "--figure", str(tmp_path / "demo.html")],
        obj=Surface(JobService()),
        standalone_mode=False,
    )
    assert done.exit_code == 0, done.output
    facts = json.loads(done.return_value.to_text())
    assert [one["done"] for one in facts] == [one["shots"] for one in facts]
    assert {one["profile"] for one in facts} == {"development", "test", "production"}
    assert "plotly" in (tmp_path / "demo.html").read_text("utf-8")


@pytest.mark.slow
def test_the_demonstration_shows_preemption_and_loses_no_shot(shown: list[Shown]) -> None:
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
