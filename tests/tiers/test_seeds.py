from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qhub_ext.errors import InvalidOptionError
from qhub_ext.tiers.seeds import LARGEST, SeedSequence, check_seed, derive_seed

seeds = st.integers(0, LARGEST)


@given(seeds, st.binary(), st.binary())
def test_contents_are_kept_apart(seed: int, a: bytes, b: bytes):
    assert derive_seed(seed, a + b) == derive_seed(seed, a + b)
    if a and b:
        assert derive_seed(seed, a, b) != derive_seed(seed, a + b)


@given(seeds, st.lists(st.binary(max_size=4), max_size=8), st.randoms())
def test_a_content_has_its_seeds_wherever_it_stands(seed: int, contents: list[bytes], random):
    def drawn(order: list[bytes]) -> list[tuple[bytes, int]]:
        sequence = SeedSequence(seed)
        return sorted((content, sequence.next(content)) for content in order)

    shuffled = list(contents)
    random.shuffle(shuffled)
    assert drawn(contents) == drawn(shuffled)
    assert len({s for _, s in drawn(contents)}) == len(contents)


def test_neighbouring_seeds_are_far_apart():
    spaced = sorted(derive_seed(s, b"circuit") for s in range(200))
    assert min(b - a for a, b in pairwise(spaced)) > 1_000_000


def test_zero_is_a_seed_and_nothing_else_is_silently_one():
    assert check_seed(0) == 0
    assert check_seed(None) is None
    for bad in (-1, LARGEST + 1, 1.5, "7", True):
        with pytest.raises(InvalidOptionError, match="not accepted"):
            check_seed(bad)
