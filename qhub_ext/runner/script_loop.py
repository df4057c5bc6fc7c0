"""A script brings its own event loop, as under `python FILE`: while it runs, that of the kernel is out of its sight.

Only where the script does not await at its top level, which runs in the kernel's own.
"""

from __future__ import annotations

import asyncio
import warnings
from typing import Any


class KernelLoop:
    """The loop that runs this kernel; `hide` and `show` are called from inside of it, one after the other."""

    def __init__(self) -> None:
        self._hidden: tuple[Any, Any] | None = None

    def hide(self) -> None:
        loop = asyncio._get_running_loop()
        if loop is None or self._hidden is not None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # policies go, from Python 3.14 on
            self._hidden = loop, asyncio.get_event_loop_policy()
            asyncio.set_event_loop_policy(None)
        asyncio._set_running_loop(None)

    def show(self) -> None:
        if self._hidden is None:
            return
        (loop, policy), self._hidden = self._hidden, None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            asyncio.set_event_loop_policy(policy)
        asyncio._set_running_loop(loop)
