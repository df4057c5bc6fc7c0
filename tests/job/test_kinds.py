import math
from typing import Any, TypedDict

import pytest

from qhub_ext.job.kinds import fits, sift
from qhub_ext.job.spec import JobSpec


class Inner(TypedDict, total=False):
    name: str


class Shape(TypedDict, total=False):
    count: int
    seconds: float | None
    inner: list[Inner]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1, int, True), (True, int, False), (1.0, int, False), (1, float, True), (True, float, False), (math.nan, float, False),
        (None, str | None, True), (7, str | None, False), (["a"], tuple[str, ...], True), ([1], list[str], False), ({"a": 1}, dict[str, Any], True),
        ({"a": 1}, dict[str, str], False), ([{"name": "x", "newer": 1}], list[Inner], True), ([{"name": 1}], list[Inner], False), ([7], list[Inner], False),
    ],
)  # fmt: skip
def test_a_value_is_of_the_kind_that_is_written_or_not(value: Any, kind: Any, expected: bool) -> None:
    assert fits(value, kind) is expected


def test_what_does_not_fit_is_left_out_and_named_and_what_nobody_knows_stays() -> None:
    record = {"count": "x", "seconds": 1.5, "inner": [None], "newer": object}
    assert sift(record, Shape) == ({"seconds": 1.5, "newer": object}, ["count", "inner"])


@pytest.mark.parametrize(
    "field", [{"shots": "x"}, {"element": {}}, {"requested": True}, {"inputs": 7}, {"created_at": None}]
)
def test_a_specification_with_a_value_of_another_kind_is_none(field: dict[str, Any]) -> None:
    record = {"id": "1-a", "name": "x", "tier": "local", "device": "kingston", "created_at": 1.0, "owner": "me"}
    assert JobSpec.from_json(record).shots is None
    with pytest.raises(TypeError):
        JobSpec.from_json(record | field)
