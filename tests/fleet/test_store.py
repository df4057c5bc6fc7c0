"""What the broker takes from whom, and tells to whom."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.broker.desk import Desk
from qhub_ext.broker.ledger import Ledger
from qhub_ext.broker.summaries import Summaries, SummaryBody
from qhub_ext.diagnosis.fleet import table as fleet_table
from qhub_ext.diagnosis.fleet.summary import JobSummary
from qhub_ext.schemas import load_schema
from tests.broker.house import ALICE, BOB, OPERATOR, Ask


def summary(number: int, **more: Any) -> dict[str, Any]:
    return {
        "schema": "qhub.summary/1", "job": f"01kayt4w2-7qm{number:03d}", "attempt": 1, "state": "failed", "cause": "integration", "ended_at": time.time() - 60,
        "signature": "OSError: <path> is gone", "device": "kingston", "node": "n1", "profile": "test", "versions": {"qiskit": "2.6.2"},
        "wall_ns": 5 * 10**9, "parts_ns": {"site queue": 2 * 10**9, "classical": 3 * 10**9}, **more,
    }  # fmt: skip


def bring(ask: Ask, uid: int, *summaries: Any) -> dict[str, Any]:
    answer = ask(uid, "POST", "/v1/summaries", json={"summaries": list(summaries)})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_what_is_brought_twice_counts_once_and_who_brought_it_is_the_brokers_word(ask: Ask) -> None:
    assert bring(ask, ALICE, summary(1), summary(2)) == {"taken": 2, "known": 0, "refused": []}
    assert bring(ask, ALICE, summary(2), summary(3)) == {"taken": 1, "known": 1, "refused": []}
    assert (
        bring(ask, BOB, summary(1, user="alice", uid=ALICE))["taken"] == 1
    )  # another user's job of that id is another job
    people = ask(OPERATOR, "GET", "/v1/fleet?by=user").json()
    assert {g["key"]: g["jobs"] for g in people["groups"]} == {str(ALICE): 3, str(BOB): 1}


def test_users_see_counts_and_operators_names(ask: Ask) -> None:
    bring(ask, ALICE, summary(1), summary(2, signature="secret words"))
    bring(ask, BOB, summary(3))
    told = ask(BOB, "GET", "/v1/fleet").json()
    assert (told["jobs"], told["failed"], told["users"]) == (3, 3, 2)
    assert {c["signature"] for c in told["clusters"]} == {"OSError: <path> is gone", "failures of other users"}
    assert ask(BOB, "GET", "/v1/fleet?by=user").status_code == 400
    assert "secret words" in ask(OPERATOR, "GET", "/v1/fleet").text
    assert ask(BOB, "GET", f"/v1/fleet/jobs/{summary(1)['job']}").status_code == 404
    assert ask(ALICE, "GET", f"/v1/fleet/jobs/{summary(1)['job']}").json()["kind"] == "too few"
    assert ask(OPERATOR, "GET", f"/v1/fleet/jobs/{summary(1)['job']}").status_code == 200
    assert ask(None, "GET", "/v1/fleet").status_code == 401


def test_one_that_cannot_be_taken_does_not_keep_the_others_from_it(ask: Ask) -> None:
    answer = bring(
        ask,
        ALICE,
        summary(1, attempt=0),
        "nonsense",
        summary(2),
        summary(3, ended_at=time.time() + 1e6),
        summary(4, node="a\0b"),
    )
    assert answer["taken"] == 1
    assert [one["place"] for one in answer["refused"]] == [0, 1, 3, 4]
    assert answer["refused"][0]["why"] == "The field `attempt` of the summary is 0; accepted is at least 1."
    assert answer["refused"][1]["why"] == 'The summary is "nonsense"; accepted is an object of names and values.'
    assert answer["refused"][2]["why"] == "The field `ended_at` of the summary lies in the future."


def test_words_that_a_forged_summary_carries_are_normalised_again(ask: Ask) -> None:
    bring(ask, ALICE, summary(1, signature="E: '/home/alice/secret' is gone, 17 times"))
    assert ask(ALICE, "GET", "/v1/fleet").json()["clusters"][0]["signature"] == "E: <value> is gone, <n> times"


def test_old_summaries_go_and_new_ones_are_seen_at_once(tmp_path: Path) -> None:
    now = [1_790_000_000.0]
    ledger = Ledger(tmp_path / "ledger")
    kept = Summaries(ledger, lambda: now[0], kept_s=10 * 86400.0)
    kept.take(1, "alice", [summary(n, ended_at=now[0]) for n in range(5)])
    assert len(kept.fleet()) == 5
    now[0] += 9 * 86400
    kept.take(1, "alice", [summary(9, ended_at=now[0])])
    assert len(kept.fleet()) == 6
    now[0] += 2 * 86400
    assert kept.take(1, "alice", []) == (0, [])
    assert len(kept.fleet()) == 1
    kept.take(1, "alice", [summary(10, ended_at=now[0])])
    assert sorted(kept.fleet().frame["job"]) == [summary(9)["job"], summary(10)["job"]]
    ledger.close()


def test_a_cause_that_the_site_told_later_takes_the_place_of_none_and_nothing_else_does(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    kept = Summaries(ledger, time.time)
    stopped = {"state": "cancelled", "cause": "unknown", "signature": "It was stopped from outside."}
    kept.take(1, "alice", [summary(n, **stopped) for n in (1, 2, 3)])
    kept.take(2, "bob", [summary(1, **stopped)])
    assert len(kept.fleet()) == 4
    better, too = (
        summary(n, state="cancelled", cause="queue policy", signature="The operator cancelled it.") for n in (1, 3)
    )
    assert kept.take(1, "alice", [better, too]) == (2, [])
    assert kept.take(1, "alice", [better, summary(1, **stopped), summary(1, cause="code")]) == (0, [])
    frame = kept.fleet().frame
    told = sorted(zip(frame["user"], frame["job"], frame["cause"], strict=True))
    first, second, third = (summary(n)["job"] for n in (1, 2, 3))
    assert told == [
        ("alice", first, "queue policy"),
        ("alice", second, "unknown"),
        ("alice", third, "queue policy"),
        ("bob", first, "unknown"),
    ]
    assert sum(kept.counted()[0].values()) == 4, "a counter neither falls nor counts one twice"
    again = Summaries(ledger, time.time)
    assert len(again.fleet()) == 4
    ledger.close()


def test_a_broker_that_begins_again_has_read_its_summaries_before_it_is_asked(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    Summaries(ledger, time.time).warm()
    Summaries(ledger, time.time).take(1, "alice", [summary(n) for n in range(3)])
    again = Summaries(ledger, time.time)
    again.warm()
    with patch.object(fleet_table, "fleet_of", wraps=fleet_table.fleet_of) as read:
        assert len(again.fleet()) == 3
        assert read.call_count == 0
    ledger.close()


def test_a_broker_takes_every_field_that_a_runner_writes_and_the_published_schema_names_the_same() -> None:
    written = {field.name for field in dataclasses.fields(JobSummary)}
    derived = {"signature_id"}  # which the broker makes itself, of words that it has normalised
    assert set(SummaryBody.model_fields) == written - derived
    assert set(load_schema("qhub.summary/1")["properties"]) == written | {"schema"}
    needed = {name for name, field in SummaryBody.model_fields.items() if field.is_required()}
    assert needed == {
        field.name
        for field in dataclasses.fields(JobSummary)
        if field.default is field.default_factory is dataclasses.MISSING
    }
    defaults = JobSummary("01kayt4w2-7qm3xd", 1, "completed", 1.0).to_json()
    assert SummaryBody.model_validate(defaults).model_dump() == {k: v for k, v in defaults.items() if k not in {"schema", *derived}}  # fmt: skip


words = st.one_of(
    st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=30), st.lists(st.integers(), max_size=3)
)
records = st.dictionaries(
    st.sampled_from(
        [
            "job",
            "attempt",
            "state",
            "ended_at",
            "signature",
            "versions",
            "parts_ns",
            "cause",
            "node",
            "wall_ns",
            "qpu_s",
        ]
    ),
    words,
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Any:
    desk = Desk(tmp_path_factory.mktemp("fuzz") / "ledger", ["kingston"])
    yield Summaries(desk.ledger, time.time)
    desk.close()
    desk.ledger.close()


@given(changes=records)
def test_whatever_comes_is_taken_or_refused_with_a_reason(kept: Summaries, changes: dict[str, Any]) -> None:
    taken, refused = kept.take(1, "alice", [{**summary(1), **changes}])
    assert taken + len(refused) <= 1
    assert all(one["why"] for one in refused)
    kept.fleet()
