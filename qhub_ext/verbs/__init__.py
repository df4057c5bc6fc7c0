"""The verbs, once: `%qpu VERB` in a notebook and `qhub VERB` in a terminal are these same functions with the same words.

A verb returns what it has to show (`Table`, `Job`, `Text`); the front end decides how. Every verb that prints facts
takes `--json`. The modules add their verbs to the group when they are imported.
"""

from qhub_ext.verbs import (  # noqa: F401 - they add their verbs
    acts,
    again,
    broker,
    broker_orders,
    demo,
    devices,
    doctor,
    fleet,
    jobs,
    reproduce,
    results,
    site,
    trace,
    usage,
)
from qhub_ext.verbs.group import slip_sentence, verbs
from qhub_ext.verbs.surface import Surface

__all__ = ["Surface", "slip_sentence", "verbs"]
