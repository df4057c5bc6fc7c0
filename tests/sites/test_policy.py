"""Who is next, why one waits, when it may start."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.sites.embedded import policy
from qhub_ext.sites.embedded.table import HELD, QUEUED, STARTED, TableJob

NOW = 1_790_000_000.0


def job(order: int, *, cpus: int = 1, state: str = QUEUED, time_s: int = 100, **fields: object) -> TableJob:
    values: dict[str, object] = {"started_at": NOW if state == STARTED else None, **fields}
    return TableJob(
        id=f"00000000{order}-aaaaa{order}", path="/x", cpus=cpus, state=state, time_s=time_s, order=order, **values
    )  # type: ignore[arg-type]


def test_the_first_in_line_starts_when_it_fits() -> None:
    first, second = job(1), job(2)
    assert policy.choose([first, second], 1, 4) is first


def test_a_wide_head_is_never_passed_by_so_that_it_gets_its_turn() -> None:
    assert policy.choose([job(1, cpus=4), job(2)], 3, 4) is None


def test_those_that_could_not_start_on_an_empty_machine_are_passed_by() -> None:
    ready = job(5)
    line = [job(1, state=HELD), job(2, unmet=("x",)), job(3, cpus=9), job(4, obstacle="its launcher ended."), ready]
    assert policy.choose(line, 1, 4) is ready


def test_words_are_those_of_slurm() -> None:
    line = [job(1, state=HELD), job(2, unmet=("x",)), job(3, cpus=9), job(4, obstacle="no room."), job(5), job(6)]
    assert [policy.word_for(one, line, 4) for one in line] == [
        "JobHeldUser",
        "Dependency",
        "PartitionConfig",
        "LaunchFailed",
        "Resources",
        "Priority",
    ]


def test_sentences_carry_the_numbers(snapshot: object) -> None:
    jobs = [
        job(1, state=STARTED),
        job(2, state=STARTED, cpus=2),
        job(3, state=HELD),
        job(4, unmet=("000000009-zzzzzz",)),
        job(5, cpus=9),
        job(6, cpus=2),
        job(7),
        job(8),
        job(9, obstacle="there is no room on its disk."),
    ]
    said = {one.order: policy.explain(one, jobs, 4).sentence for one in jobs if one.waits}
    assert said == snapshot


def test_with_free_cpus_it_is_about_to_start() -> None:
    assert policy.explain(job(1), [job(1)], 2).sentence == "It is about to start: 2 of 2 CPUs are free."


def test_behind_one_that_is_about_to_start_it_waits_its_turn_and_not_for_cpus() -> None:
    jobs = [job(1), job(2), job(3)]
    assert (
        policy.explain(jobs[1], jobs, 2).sentence == "It waits its turn: 1 job is ahead, and aaaaa1 is about to start."
    )
    assert policy.explain(jobs[2], jobs, 2).sentence.startswith("It waits its turn: 2 jobs are ahead, and aaaaa1")


def test_the_latest_start_counts_on_everybody_using_all_of_their_time() -> None:
    running = job(1, state=STARTED, time_s=60, started_at=NOW - 20)
    jobs = [running, job(2, time_s=100), job(3, time_s=100)]
    assert policy.estimate_start(jobs[1], jobs, 1, NOW)[:2] == (NOW, NOW + 40)
    assert policy.estimate_start(jobs[2], jobs, 1, NOW)[:2] == (NOW, NOW + 140)
    assert policy.estimate_start(jobs[2], jobs, 2, NOW)[:2] == (NOW, NOW + 40)


def test_the_first_few_of_a_line_are_told_when_they_start_at_the_latest() -> None:
    jobs = [job(1, state=STARTED, time_s=40), job(2), job(3, state=HELD), job(4), job(5)]
    assert policy.latest_starts(jobs, 1, NOW, 2) == {jobs[1].id: NOW + 40, jobs[3].id: NOW + 140}
    assert list(policy.latest_starts(jobs, 1, NOW)) == [jobs[1].id, jobs[3].id, jobs[4].id]


def test_nobody_can_say_when_a_held_or_dependent_job_starts() -> None:
    for one in (job(1, state=HELD), job(1, unmet=("x",)), job(1, cpus=9)):
        earliest, latest, why = policy.estimate_start(one, [one], 4, NOW)
        assert (earliest, latest) == (None, None)
        assert why


jobs_in_line = st.lists(
    st.builds(
        lambda cpus, state, unmet, time_s: (cpus, state, ("x",) if unmet else (), time_s),
        st.integers(1, 6),
        st.sampled_from([QUEUED, HELD]),
        st.booleans(),
        st.integers(1, 1000),
    ),
    max_size=12,
)


@given(jobs_in_line, st.integers(1, 4))
def test_every_startable_job_is_started_in_its_order_and_none_is_starved(
    rows: list[tuple[int, str, tuple[str, ...], int]], total: int
) -> None:
    line = [TableJob(f"j{n}", "/x", cpus=c, state=s, unmet=u, time_s=t, order=n) for n, (c, s, u, t) in enumerate(rows)]
    expected = [one.id for one in line if policy.may_start(one, total)]
    started = []
    while (chosen := policy.choose(line, total, total)) is not None:
        started.append(chosen.id)
        line.remove(chosen)
    assert started == expected


@given(jobs_in_line, st.integers(1, 4))
def test_an_estimate_is_a_range_and_never_earlier_for_a_later_job(
    rows: list[tuple[int, str, tuple[str, ...], int]], total: int
) -> None:
    line = [TableJob(f"j{n}", "/x", cpus=c, state=s, unmet=u, time_s=t, order=n) for n, (c, s, u, t) in enumerate(rows)]
    latest = NOW
    for one in line:
        first, last, _ = policy.estimate_start(one, line, total, NOW)
        assert (first is None) == (not policy.may_start(one, total))
        if first is not None and last is not None:
            assert NOW <= first <= last
            assert latest <= last
            latest = last
