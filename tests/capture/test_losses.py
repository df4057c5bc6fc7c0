"""What a value loses on its way into a job is said, where the cell could notice it."""

from __future__ import annotations

import logging

import numpy as np

from qhub_ext.capture.losses import losses


def test_arrays_that_share_memory_are_told_where_the_cell_changes_one() -> None:
    base = np.arange(12.0).reshape(3, 4)
    left, right = base[:, ::2], base[:, 1::2]
    names = {"base": base, "row": base[1], "same": base, "left": left, "right": right, "own": base.copy()}
    (said,) = losses(names, {"row"}, names)
    assert said.startswith(
        "`row` shares its memory with `base`, `left`, `right`, `same` here; in the job each has its own"
    )
    (said,) = losses({"base", "same", "own", "left"}, {"same", "own"}, names)
    assert said.startswith("`same` shares its memory with `left` here")
    assert losses({"left", "right"}, {"left"}, names) == []
    assert losses(names, set(), names) == []
    assert losses({"base", "row", "gone"}, {"row2"}, names) == []


def test_a_logger_that_was_set_up_here_is_told() -> None:
    logger = logging.Logger("of the notebook", logging.WARNING)
    assert losses({"log"}, set(), {"log": logger}) == []
    logger.setLevel(logging.INFO)
    (said,) = losses({"log"}, set(), {"log": logger})
    assert "goes along by its name" in said
    assert "logging.basicConfig" in said
    logger.setLevel(logging.WARNING)
    logger.addHandler(logging.NullHandler())
    assert losses({"log"}, set(), {"log": logger}) == [said]
