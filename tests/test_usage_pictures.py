"""Pictures of what was used: a bar per user with its sum, on a page that follows the reader's light or dark."""

from __future__ import annotations

from pathlib import Path

import pytest

from qhub_ext.display.pages import write_figure
from qhub_ext.display.usage import MOST_BARS, broker_figure


def row(user: str, profile: str, seconds: float) -> dict[str, object]:
    return {"user": user, "account": "", "profile": profile, "device": "kingston", "job": "", "qpu_s": seconds, "tasks": 1, "slices": 1}  # fmt: skip


def test_a_bar_is_made_of_profiles_and_says_its_sum_and_the_largest_is_first() -> None:
    rows = [row("bob", "test", 10.0), row("alice", "production", 100.0), row("bob", "development", 30.0)]
    plot = broker_figure(rows, "user", 1.0)
    assert [bar.name for bar in plot.data] == ["production", "test", "development", None]
    assert list(plot.data[0].y) == ["alice", "bob"]
    assert [text.strip() for text in plot.data[-1].text] == ["1 min 40 s", "40 s"]
    assert plot.layout.title.text == "Seconds of QPU in the last day, by user"


def test_a_name_is_shown_as_it_is_written_and_not_as_markup() -> None:
    plot = broker_figure([row("<b>eve</b>", "<i>own</i>", 1.0)], "user", 1.0)
    assert list(plot.data[0].y) == ["&lt;b&gt;eve&lt;/b&gt;"]
    assert plot.data[0].name == "&lt;i&gt;own&lt;/i&gt;"


def test_many_users_are_a_picture_of_the_largest_and_of_all_others_together() -> None:
    rows = [row(f"user{number:04d}", "test", 1.0 + 1.0 / (1 + number)) for number in range(1000)]
    bar = broker_figure(rows, "user", 7.0).data[0]
    assert len(bar.y) == MOST_BARS + 1
    assert bar.y[-1] == f"{1000 - MOST_BARS} others"
    assert sum(bar.x) == pytest.approx(sum(float(str(one["qpu_s"])) for one in rows))


def test_the_file_needs_no_network_and_follows_the_readers_light_or_dark(tmp_path: Path) -> None:
    write_figure(tmp_path / "usage.html", broker_figure([row("alice", "test", 3.0)], "user", 1.0))
    text = (tmp_path / "usage.html").read_text(encoding="utf-8")
    assert "color-scheme: light dark" in text
    assert "<title>Seconds of QPU in the last day, by user</title>" in text
    assert '<script src="http' not in text


@pytest.mark.parametrize("by", ["account", "device", "job"])
def test_a_picture_may_be_by_account_device_or_job(by: str) -> None:
    rows = [{**row("alice", "test", 5.0), by: "one"}, {**row("bob", "production", 9.0), by: "two"}, {**row("bob", "test", 2.0), by: "one"}]  # fmt: skip
    plot = broker_figure(rows, by, 7.0)
    assert list(plot.data[0].y) == ["two", "one"]
    assert [text.strip() for text in plot.data[-1].text] == ["9 s", "7 s"]
    assert plot.layout.title.text == f"Seconds of QPU in the last 7 days, by {by}"
