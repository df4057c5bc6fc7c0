"""Plans of a site on the virtual clock."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from qhub_ext.broker.capacity import WANTED_USE, Plan, look_ahead
from qhub_ext.broker.policy import Policy
from qhub_ext.broker.simulate import Arrival, simulate
from qhub_ext.errors import InvalidOptionError
from qhub_ext.service import JobService
from qhub_ext.settings import load_settings
from qhub_ext.tiers.windows import Window
from qhub_ext.verbs import Surface, verbs


def test_a_plan_has_as_many_devices_as_it_needs_and_fewer_make_users_wait() -> None:
    plan = Plan(users=60, tasks=10, days=1.0)
    enough = look_ahead(plan)
    assert enough.devices > 1
    assert 0.4 < enough.use < WANTED_USE + 0.15
    assert enough.waits["production"][0] == 0.0
    scarce = look_ahead(replace(plan, devices=1))
    assert scarce.use > 0.95
    assert scarce.waits["development"][1] > 10 * enough.waits["development"][1]
    assert scarce.waits["production"][1] < scarce.waits["development"][1] / 2, "and production last"


def test_the_same_plan_gives_the_same_waits() -> None:
    plan = Plan(users=20, tasks=5, days=1.0)
    assert look_ahead(plan).waits == look_ahead(plan).waits
    assert look_ahead(plan).waits != look_ahead(replace(plan, seed=2)).waits


def test_a_plan_that_cannot_be_played_is_refused_with_what_could_be() -> None:
    with pytest.raises(InvalidOptionError, match="give fewer days") as told:
        look_ahead(Plan(users=10_000_000, tasks=100))
    assert "1,000,000,000" in told.value.message or "2,000,000,000" in told.value.message


def test_devices_share_what_comes_and_a_device_in_its_window_starts_nothing() -> None:
    arrivals = [Arrival(f"a{number}", 0.0, "test", 60.0, f"user{number}") for number in range(4)]
    two = simulate(arrivals, Policy(), (), ("fez", "kingston"))
    assert sorted(two.started.values()) == [0.0, 0.0, 60.0, 60.0]
    windows = (Window(90.0, 1000.0, device="fez"),)
    later = simulate(
        [*arrivals[:2], Arrival("a9", 30.0, "test", 60.0, "user9")], Policy(), (), ("athens", "fez", "kingston")
    )
    assert later.started["a9"] == 30.0, "a device that runs its last slice is not one that has nothing to do"
    cut = simulate(arrivals, Policy(), windows, ("fez", "kingston"))
    assert cut.end == pytest.approx(1120.0)
    assert cut.busy_s == pytest.approx(240.0)


def test_the_command_prints_a_row_per_number_of_users() -> None:
    words = ["broker", "simulate", "--users", "5", "--users", "10", "--tasks", "4", "--json"]
    done = CliRunner().invoke(verbs, words, obj=Surface(JobService(load_settings({}, []))), standalone_mode=False)
    assert done.exception is None, done.output
    found = json.loads(done.return_value.to_text())["outlooks"]
    assert [one["plan"]["users"] for one in found] == [5, 10]
