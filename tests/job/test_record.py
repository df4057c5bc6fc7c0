import dataclasses
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qhub_ext.job.record import fold
from qhub_ext.job.spec import SCHEMA, Element, JobSpec, Launch
from qhub_ext.job.state import FINAL, State, advance

SPEC = JobSpec(id="01kayt4w2-7qm3xd", name="a", tier="local", device="kingston", created_at=1.0, owner="x")

states = st.sampled_from(list(State))
events = st.builds(
    lambda state, at, attempt: {"kind": "state", "state": state.value, "at": at, "attempt": attempt, "seq": 1},
    states,
    st.floats(0, 100),
    st.integers(1, 3),
)


def test_a_record_is_one_short_line_where_it_is_shown() -> None:
    record = fold(SPEC, [{"at": 1.0, "kind": "state", "state": "failed", "message": "It broke."}])
    assert repr(record) == f"<JobRecord {SPEC.id} failed: It broke.>"


@given(st.lists(states, max_size=12))
def test_a_state_never_moves_back(heard: list[State]) -> None:
    known = State.CREATED
    ended: State | None = None
    for state in heard:
        known = advance(known, state)
        if ended is not None and ended is not State.LOST:
            assert known is ended
        if known in FINAL:
            ended = known


def test_whoever_knows_better_overrules_lost() -> None:
    assert advance(State.LOST, State.COMPLETED) is State.COMPLETED
    assert advance(State.COMPLETED, State.LOST) is State.COMPLETED


def test_held_and_queued_go_back_and_forth_until_the_job_starts() -> None:
    assert advance(State.QUEUED, State.HELD) is State.HELD
    assert advance(State.HELD, State.QUEUED) is State.QUEUED
    assert advance(State.RUNNING, State.HELD) is State.RUNNING


@settings(max_examples=60)
@given(st.lists(events, max_size=5), st.randoms())
def test_the_order_in_which_journals_are_read_changes_nothing(told: list[dict], random) -> None:  # type: ignore[no-untyped-def]
    told = [e | {"at": n / 7} for n, e in enumerate(told)]
    shuffled = list(told)
    random.shuffle(shuffled)
    assert fold(SPEC, told) == fold(SPEC, shuffled)


@given(st.lists(events, max_size=6))
def test_hearing_everything_twice_changes_nothing(told: list[dict]) -> None:
    assert fold(SPEC, told) == fold(SPEC, [*told, *told])


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["kind", "state", "at", "text", "phase"]),
            st.one_of(st.text(max_size=5), st.just("state"), st.just("note")),
        ).map(lambda d: {k: v for k, v in d.items() if k != "at"}),
        max_size=5,
    )
)
def test_events_of_a_kind_never_seen_are_no_error(told: list[dict]) -> None:
    assert fold(SPEC, told).spec is SPEC


def test_a_requeue_begins_a_new_attempt_and_keeps_the_old_one() -> None:
    told = [
        {"kind": "state", "state": "running", "at": 2.0, "attempt": 1},
        {"kind": "state", "state": "cancelled", "at": 3.0, "attempt": 1, "cause": "queue policy"},
        {"kind": "state", "state": "queued", "at": 4.0, "attempt": 2},
    ]
    record = fold(SPEC, told)
    assert record.state is State.QUEUED
    assert [a.state for a in record.attempts] == [State.CANCELLED, State.QUEUED]
    assert record.attempts[0].cause == "queue policy"


def test_the_sealed_outcome_stands_above_what_others_supposed() -> None:
    told = [{"kind": "state", "state": "lost", "at": 5.0, "attempt": 1}]
    record = fold(SPEC, told, {1: {"state": "completed", "running_at": 2.0, "ended_at": 4.5}})
    assert record.state is State.COMPLETED
    assert record.running_s == 2.5


@pytest.mark.parametrize("element", [None, Element("01kayt4w2-7qm3xd", 3, {"theta": 0.5})])
def test_a_specification_survives_its_file(element: Element | None) -> None:
    spec = JobSpec(**{**vars(SPEC), "inputs": ("a", "b"), "outputs": None, "element": element})
    assert JobSpec.from_json(spec.to_json()) == spec
    whole = dataclasses.replace(
        spec, launch=Launch("module", ("module load x",), ("exec",)), element=Element("a", 1, {"x": 2})
    )
    assert JobSpec.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert json.dumps(whole.to_json()) == json.dumps({"schema": SCHEMA, **dataclasses.asdict(whole)})


def test_a_specification_from_a_newer_version_is_read_without_its_new_keys() -> None:
    assert JobSpec.from_json(SPEC.to_json() | {"colour": "blue"}) == SPEC


def test_waiting_and_running_are_told_apart() -> None:
    moments = {"submitted": 1.0, "queued": 1.5, "starting": 4.0, "running": 5.0, "completed": 9.0}
    told = [{"kind": "state", "state": s, "at": at, "attempt": 1} for s, at in moments.items()]
    for order in itertools.islice(itertools.permutations(told), 24):
        record = fold(SPEC, order)
        assert (record.waiting_s, record.running_s) == (4.0, 4.0)


@pytest.mark.parametrize(
    ("site", "sealed", "state", "cause"),
    [
        (("timed_out", "queue policy"), ("cancelled", "unknown"), State.TIMED_OUT, "queue policy"),
        (("failed", "integration"), ("cancelled", "unknown"), State.FAILED, "integration"),
        (("cancelled", "user"), ("cancelled", "unknown"), State.CANCELLED, "user"),
        (("timed_out", "unknown"), ("cancelled", "unknown"), State.CANCELLED, "unknown"),
        (("lost", "integration"), ("completed", None), State.COMPLETED, None),
        (("timed_out", "resources"), ("cancelled", "user"), State.CANCELLED, "user"),
    ],
)
def test_of_a_stop_that_the_runner_was_not_told_the_reason_of_the_sites_word_stands(
    site: tuple[str, str], sealed: tuple[str, str | None], state: State, cause: str | None
) -> None:
    told = {"kind": "state", "attempt": 1, "at": 9.0, "state": site[0], "cause": site[1]}
    outcome = {"state": sealed[0], "ended_at": 8.0, **({"cause": sealed[1]} if sealed[1] else {})}
    record = fold(SPEC, [told], {1: outcome})
    assert record.state is state
    assert cause is None or record.attempt.cause == cause
