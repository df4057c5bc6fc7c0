"""Parts that add up to the wall time to the nanosecond, whatever overlaps; and one sentence about the largest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.diagnosis.advice import RULES, Counts, advise
from qhub_ext.diagnosis.breakdown import NEAREST_FIRST, PARTS, Breakdown, break_down, divide
from qhub_ext.diagnosis.trace import NS, Trace, TraceSpan
from qhub_ext.telemetry.attributes import KINDS

moments = st.integers(0, 200)
some_spans = st.lists(
    st.builds(
        lambda kind, a, b: TraceSpan("x", kind, min(a, b), max(a, b)),
        st.sampled_from([*KINDS, "element", "of a newer version"]),
        moments,
        moments,
    ),
    max_size=25,
)


@given(some_spans, moments, moments)
def test_the_parts_add_up_to_the_wall_time_exactly(spans: list[TraceSpan], a: int, b: int):
    begin, end = min(a, b), max(a, b)
    found = divide(spans, begin, end)
    assert sum(found.parts_ns.values()) == end - begin == found.wall_ns
    assert all(ns >= 0 for ns in found.parts_ns.values())


@given(some_spans)
def test_each_moment_belongs_to_the_span_that_is_nearest_to_the_device(spans: list[TraceSpan]):
    found = divide(spans, 0, 200)
    expected = dict.fromkeys(PARTS, 0)
    known = {"capture": "submission", "submit": "submission", "queue": "site queue", "element": "classical"}
    for moment in range(200):
        here = [s.kind for s in spans if s.kind != "container" and s.begin_ns <= moment < (s.end_ns or 0)]
        kind = min(here, key=lambda k: NEAREST_FIRST.index(k) if k in NEAREST_FIRST else 99, default=None)
        part = "unaccounted" if kind is None else known.get(kind, kind.replace("_", " "))
        expected[part if part in PARTS else "classical"] += 1
    assert found.parts_ns == expected


def test_every_kind_of_span_has_a_part():
    assert set(NEAREST_FIRST) - {"element"} == set(KINDS) - {"container"}


def test_a_span_that_lasts_still_counts_when_it_is_closed():
    trace = Trace("t", (TraceSpan("cell", "classical", 0, None),))
    assert break_down(trace).wall_ns == 0
    assert break_down(trace.until(7)).parts_ns["classical"] == 7


def parts(**shares: float) -> Breakdown:
    """Of a job of 100 s; the rest is the cell's own Python, spread so thin that no rule speaks of it."""
    named = {name.replace("_", " "): int(share * NS) for name, share in shares.items()}
    return Breakdown(100 * NS, {**dict.fromkeys(PARTS, 0), **named})


CASES = [
    (parts(transport=71, quantum=10), Counts("qpu", tasks=400, circuits=400), "71 % of this job waited in transport: 400 tasks of one circuit each; send them as one PUB list."),
    (parts(device_queue=60), Counts("qpu", tasks=40, circuits=60), "60 % of this job waited in the device's queue: 40 tasks of 1.5 circuits each; send them as one PUB list."),
    (parts(broker_queue=45, transport=20), Counts("qpu", tasks=10, circuits=10), "45 % of this job waited at the broker: 10 tasks"),
    (parts(transport=40), Counts("qpu", tasks=1, circuits=300), "40 % of this job was transport"),
    (parts(site_queue=80), Counts("qpu"), "80 % of this job waited for the site"),
    (parts(broker_queue=50), Counts("qpu", tasks=1, circuits=50), "50 % of this job waited its turn at the broker"),
    (parts(device_queue=50), Counts("qpu", tasks=1, circuits=50), "least busy"),
    (parts(transpile=50), Counts("local", transpilings=300), "transpiled, 300 times"),
    (parts(transpile=50), Counts("local", transpilings=1), "lower optimization_level"),
    (parts(environment=50), Counts("local"), "loaded inputs and imported packages"),
    (parts(start=50), Counts("local"), "started its runner and kernel"),
    (parts(quantum=90), Counts("emulation", tasks=1, circuits=1), "simulated circuits"),
    (parts(quantum=90), Counts("qpu", tasks=1, circuits=1, virtual=True), "on the device (a virtual one)"),
    (parts(classical=90), Counts("local"), "--profile-classical"),
    (parts(classical=90), Counts("local", profiled=True), "its profile is below"),
    (parts(**{"return": 30}), Counts("local"), "--out"),
    (parts(unaccounted=40), Counts("local"), "unaccounted"),
]  # fmt: skip


@pytest.mark.parametrize(("breakdown", "counts", "words"), CASES, ids=[case[2][:40] for case in CASES])
def test_the_largest_part_gets_a_sentence_that_helps(breakdown: Breakdown, counts: Counts, words: str):
    found = advise(breakdown, counts)
    assert found is not None
    assert words in found.sentence
    assert found.sentence.endswith(".")


def test_every_rule_of_the_table_speaks_in_some_case():
    spoke = {rule for rule in RULES for breakdown, counts, _ in CASES if rule(breakdown, counts) is not None}
    assert spoke == set(RULES)


def test_a_short_job_and_one_without_a_large_part_get_none():
    assert advise(Breakdown(NS, {**dict.fromkeys(PARTS, 0), "start": NS}), Counts()) is None
    assert advise(parts(start=10, environment=10, quantum=10), Counts("qpu")) is None
