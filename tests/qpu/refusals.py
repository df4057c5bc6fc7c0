"""What a service answers to the start of a task when it refuses, and what becomes of it; the same whichever API it speaks."""

from __future__ import annotations

import pytest

from qhub_ext.errors import Cause

refused_at_the_start = pytest.mark.parametrize(
    ("kind", "cause", "words"),
    [
        ("401", Cause.INTEGRATION, "credentials"),
        ("403", Cause.QUEUE_POLICY, "not open to you"),
        ("404", Cause.INTEGRATION, "not known"),
        ("409", Cause.INTEGRATION, "refuses"),
        ("429", Cause.QUEUE_POLICY, "too many requests"),
        ("500", Cause.DEVICE, "failed inside"),
        ("503", Cause.DEVICE, "not available"),
    ],
)
