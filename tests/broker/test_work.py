from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.broker.work import Piece, minus, seconds_of, take_slice, without

PIECES = st.lists(
    st.builds(Piece, pub=st.integers(0, 50), units=st.integers(1, 10_000), unit_s=st.floats(1e-4, 5.0)),
    min_size=1,
    max_size=6,
).map(lambda found: tuple(Piece(k, p.units, p.unit_s) for k, p in enumerate(found)))


@given(pieces=PIECES, budget=st.floats(0.0, 500.0), most=st.sampled_from([math.inf, 1, 77, 4000]))
def test_slices_from_the_front_add_up_to_the_whole_exactly(
    pieces: tuple[Piece, ...], budget: float, most: float
) -> None:
    done: dict[int, int] = {}
    rest = pieces
    for _ in range(500):
        taken = take_slice(rest, budget, most=most) or (Piece(rest[0].pub, 1, rest[0].unit_s, rest[0].first),)
        assert seconds_of(taken) <= max(budget, rest[0].unit_s) * (1 + 1e-6) + 1e-9
        assert all(piece.units <= most for piece in taken)
        for piece in taken:
            assert piece.first == done.get(piece.pub, 0), "each slice begins where the last one ended"
            done[piece.pub] = piece.first + piece.units
        rest = without(rest, taken)
        if not rest:
            break
    left = {piece.pub: piece.units for piece in rest}
    for piece in pieces:
        assert done.get(piece.pub, 0) + left.get(piece.pub, 0) == piece.units


@given(taken=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(1, 30)), max_size=8))
def test_what_is_left_is_what_nobody_took(taken: list[tuple[int, int, int]]) -> None:
    pieces = tuple(Piece(pub, units, 1.0, first) for pub in range(3) for first, units in ((0, 10), (10, 5), (20, 12)))
    gone = [Piece(pub, units, 1.0, first) for pub, first, units in taken]

    def units_of(some: Iterable[Piece]) -> set[tuple[int, int]]:
        return {(piece.pub, unit) for piece in some for unit in range(piece.first, piece.end)}

    left = minus(pieces, gone)
    assert units_of(left) == units_of(pieces) - units_of(gone)
    assert sum(piece.units for piece in left) == len(units_of(left))


def test_what_the_device_needs_once_per_slice_is_part_of_the_span() -> None:
    pieces = (Piece(0, 100, 1.0),)
    assert take_slice(pieces, 10.0, overhead_s=3.0) == (Piece(0, 7, 1.0),)
    assert take_slice(pieces, 3.5, overhead_s=3.0) == ()


def test_of_one_pub_no_slice_has_more_than_the_device_takes_at_a_time() -> None:
    pieces = (Piece(0, 30, 1.0), Piece(1, 40, 1.0, 10), Piece(1, 40, 1.0, 80), Piece(2, 90, 1.0))
    first = take_slice(pieces, 1000.0, most=50)
    assert first == (Piece(0, 30, 1.0), Piece(1, 40, 1.0, 10), Piece(1, 10, 1.0, 80))
    rest = without(pieces, first)
    assert take_slice(rest, 1000.0, most=50) == (Piece(1, 30, 1.0, 90), Piece(2, 50, 1.0))


def test_only_the_front_can_be_taken_away() -> None:
    with pytest.raises(ValueError, match="not at the front"):
        without((Piece(0, 10, 1.0), Piece(1, 10, 1.0)), (Piece(1, 5, 1.0),))
