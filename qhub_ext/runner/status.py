"""What the job kernel tells its supervisor beside Jupyter's own messages: one JSON line each, see `jobkernel`."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any


class StatusPipe:
    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._fd = fd

    def tell(self, kind: str, **fields: Any) -> None:
        line = json.dumps({"kind": kind, **fields}, default=str).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # the supervisor is gone, and the kernel will be in a moment
            os.write(self._fd, line)
