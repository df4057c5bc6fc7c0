from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.job.identity import element_id, is_job_id, new_job_id, short_id, split_element


@given(st.floats(0, 3e10), st.floats(0, 3e10))
def test_ids_sort_as_their_moments_do(one: float, other: float) -> None:
    first, second = new_job_id(min(one, other), 0), new_job_id(max(one, other), 0)
    assert first <= second


def test_ids_made_one_after_the_other_sort_so() -> None:
    made = [new_job_id() for _ in range(1000)]
    assert made == sorted(made)


def test_ten_thousand_ids_of_one_moment_differ() -> None:
    assert len({new_job_id(1e9) for _ in range(10_000)}) > 9_950


@given(st.integers(0, 999_999))
def test_an_element_is_told_from_its_array(index: int) -> None:
    job_id = new_job_id()
    assert split_element(element_id(job_id, index)) == (job_id, index)
    assert split_element(job_id) == (job_id, None)
    assert is_job_id(job_id)
    assert is_job_id(element_id(job_id, index))
    assert short_id(element_id(job_id, index)) == f"{job_id[-6:]}.{index}"


@given(st.text(max_size=30))
def test_other_texts_are_not_taken_for_ids(text: str) -> None:
    if is_job_id(text):
        assert "/" not in text
        assert text == text.lower()


def test_a_file_s_name_is_no_element_of_an_array() -> None:
    assert split_element("study.py") == ("study.py", None)
    assert split_element(".7") == (".7", None)
    assert split_element("a.b.7") == ("a.b", 7)
    assert split_element("x.²") == ("x.²", None)
