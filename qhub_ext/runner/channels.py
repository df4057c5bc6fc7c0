"""The supervisor's side of the two sockets of a job kernel: requests go out on one, outputs come in on the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import zmq

from qhub_ext.runner.kernel import JobKernel
from qhub_ext.runner.wire import Message, Wire


class Channels:
    """`subscribed` once anything has come: until the subscription has reached the kernel, what it shows is lost."""

    def __init__(self, kernel: JobKernel) -> None:
        self._kernel = kernel
        self._wire = Wire(kernel.key)
        self._context = zmq.Context()
        self._shell = self._context.socket(zmq.DEALER)
        self._iopub = self._context.socket(zmq.SUB)
        for channel in self.sockets:
            channel.linger = 0
            channel.reconnect_ivl = 5
        self._gone = self._iopub.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.subscribed = False

    @property
    def sockets(self) -> tuple[zmq.Socket[bytes], zmq.Socket[bytes]]:
        return self._shell, self._iopub

    def connect(self) -> None:
        self._shell.connect(self._kernel.endpoint("shell"))
        self._iopub.subscribe(b"")
        self._iopub.connect(self._kernel.endpoint("iopub"))

    def send(self, kind: str, content: dict[str, Any]) -> str:
        """Returns the id of the request."""
        identity, frames = self._wire.pack(kind, content)
        self._shell.send_multipart(frames)
        return identity

    def outputs(self) -> Iterator[Message]:
        """Those that lie in the socket."""
        for frames in _lying(self._iopub):
            self.subscribed = True
            message = self._wire.unpack(frames)
            if message is not None:
                yield message

    def replies(self) -> Iterator[Message]:
        """Those to requests to execute that lie in the socket."""
        for frames in _lying(self._shell):
            message = self._wire.unpack(frames)
            if message is not None and message.kind == "execute_reply":
                yield message

    def wait_for_rest(self, within_ms: int) -> None:
        """The connection ends when everything that the kernel had sent is here."""
        self._gone.poll(within_ms)

    def close(self) -> None:
        self._iopub.disable_monitor()
        self._shell.close()
        self._iopub.close()
        self._context.destroy(linger=0)


def _lying(channel: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    while True:
        try:
            yield channel.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return
