"""Ports of loopback for what cannot be handed a socket, as no other process gets them meanwhile."""

from __future__ import annotations

import functools
import random
import socket

_held: list[socket.socket] = []


@functools.cache
def closed_port() -> int:
    """One where nobody listens: this process holds it until its end."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    _held.append(held)
    return int(held.getsockname()[1])


def free_port() -> int:
    """One for a server that is started soon, or again and again: below those that Linux gives to connections, and to who asks for any."""
    while True:
        port = random.SystemRandom().randrange(10_000, 20_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
