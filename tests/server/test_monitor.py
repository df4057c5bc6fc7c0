"""The monitor by itself: when it looks, whatever the looks before took."""

from __future__ import annotations

import logging
import threading

from qhub_ext.server.monitor import Monitor
from tests.server.conftest import until


async def test_a_slow_first_look_does_not_put_the_next_one_off(place, submit):
    cold = threading.Event()

    def service():
        cold.wait(2.0)  # a server that has just begun imports for as long
        cold.set()
        return place

    monitor = Monitor(service, lambda hint: None, lambda ids: None, logging.getLogger("test"))
    try:
        await monitor.attend()
        job = submit("print(1)")

        async def told():
            return monitor.feed.get(job.id)

        assert (await until(told, within_s=8.0, what="the new job")).summary.name
    finally:
        await monitor.close()
