"""A package index on loopback (PEP 691) with wheels that are made here, some of them yanked (PEP 592)."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_KIND = "application/vnd.pypi.simple.v1+json"


@dataclass(frozen=True)
class Wheel:
    """`yanked`: False, or the reason that its makers gave."""

    name: str
    version: str
    data: bytes
    tags: str = "py3-none-any"
    yanked: str | bool = False

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}-{self.tags}.whl"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def entry(self) -> dict[str, Any]:
        return {"filename": self.file, "url": f"/{self.file}", "hashes": {"sha256": self.sha256}, "yanked": self.yanked}


def make_wheel(
    name: str, version: str, *, tags: str = "py3-none-any", yanked: str | bool = False, size: int = 0
) -> Wheel:
    """Of a module that knows its version. `size`: bytes that take as much on a disk."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\n".encode(),
        **({f"{name}.bin": bytes(size)} if size else {}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tags}\n".encode(),
    }
    record = "".join(f"{path},,\n" for path in (*files, f"{info}/RECORD"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, data in {**files, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(path, data)
    return Wheel(name, version, packed.getvalue(), tags, yanked)


@dataclass
class SmallIndex:
    """What it has may change while it serves. `refusal`: the status of every answer, where it is not 0. `hold` keeps whoever fetches a
    wheel waiting; `fetched` is set when somebody does.
    """

    wheels: list[Wheel] = field(default_factory=list)
    refusal: int = 0
    address: str = ""
    fetched: threading.Event = field(default_factory=threading.Event)
    hold: threading.Event | None = None

    def environment(self, cache: Path) -> dict[str, str]:
        """For uv to ask this index alone, with a cache of its own."""
        alone = dict.fromkeys(("UV_DEFAULT_INDEX", "UV_INDEX"), f"{self.address}/simple")
        return {**alone, "UV_FIND_LINKS": "", "UV_CACHE_DIR": str(cache), "UV_HTTP_RETRIES": "0"}

    def answer(self, path: str) -> tuple[int, bytes, str]:
        if self.refusal:
            return self.refusal, b"", "text/plain"
        for wheel in self.wheels:
            if path == f"/{wheel.file}":
                self.fetched.set()
                if self.hold is not None:
                    self.hold.wait(300)
                return 200, wheel.data, "application/octet-stream"
        project = path.removeprefix("/simple/").strip("/")
        files = [wheel.entry() for wheel in self.wheels if wheel.name == project]
        if not files:
            return 404, b"", "text/plain"
        told = {"meta": {"api-version": "1.1"}, "name": project, "files": files}
        return 200, json.dumps(told).encode(), _KIND


@contextmanager
def small_index(*wheels: Wheel) -> Iterator[SmallIndex]:
    index = SmallIndex(list(wheels))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, data, kind = index.answer(self.path)
            with contextlib.suppress(ConnectionError):  # whoever asked was killed
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index.address = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield index
        finally:
            server.shutdown()
            serving.join()
