"""Where the broker listens: a unix socket, on which the kernel says who calls, and TCP, on the port of the broker before."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from uvicorn.protocols.http.h11_impl import H11Protocol

from qhub_ext.errors import SettingsError

_PEER = struct.Struct("3i")


class PeerProtocol(H11Protocol):
    """On a unix socket the kernel says who is at the other end."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("socket")
        if peer is not None and peer.family == socket.AF_UNIX:
            pid, uid, _ = _PEER.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
            self.client = (f"uid:{uid}", pid)


def tcp_socket(directory: Path, host: str, port: int) -> socket.socket:
    """On the port of the broker before, where nobody else took it: clients that wait for their tasks find it again."""
    try:
        before = int(urlsplit(json.loads((directory / "broker.json").read_text())["url"]).port or 0)
    except (OSError, ValueError, KeyError, TypeError):
        before = 0
    try:
        return socket.create_server((host, port or before))
    except OSError as error:
        if port:
            raise SettingsError(
                f"The broker cannot listen at {host}:{port}: {error.strerror}.",
                advice="Does another one run? broker.host and broker.port say where.",
            ) from error
        return socket.create_server((host, 0))


def unix_socket(path: Path, mode: int) -> socket.socket:
    if path.exists() and not path.is_socket():
        raise SettingsError(f"The broker's socket cannot be {path}: there is something else.", advice="Name a path where nothing is, or where a broker's socket was left.")  # fmt: skip
    if _listened_at(path):
        raise SettingsError(f"Another broker listens at {path}.", advice="Stop it first, or give this one another --socket.")  # fmt: skip
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.bind(str(path))
    except OSError as error:
        made.close()
        raise SettingsError(f"The broker's socket cannot be {path}: {error.strerror or error}.", advice="A path of at most 107 characters in a folder that you may write to: broker.directory, or --socket.") from None  # fmt: skip
    path.chmod(mode)
    made.listen(128)
    return made


def _listened_at(path: Path) -> bool:
    """Whether anybody answers there; a socket that was left by a broker which was killed answers to nobody."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(1.0)
        try:
            asked.connect(str(path))
        except OSError:
            return False
    return True
