"""A real Jupyter server in a process of its own, as a user starts one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.waiting import wait_until

TOKEN = "a token of the tests"

# on SIGUSR2 the server writes down what it has imported
CONFIGURATION = """
import json, signal, sys
def tell(*_):
    with open({modules!r} + ".draft", "w") as file:
        json.dump(sorted(sys.modules), file)
    import os
    os.replace({modules!r} + ".draft", {modules!r})
signal.signal(signal.SIGUSR2, tell)
c.IdentityProvider.token = {token!r}
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.allow_unauthenticated_access = False
"""


@dataclass
class Server:
    process: subprocess.Popen[bytes]
    url: str
    path: Path

    def get(self, path: str, **query: Any) -> Any:
        return self._ask(f"{path}?{urllib.parse.urlencode(query)}", None)

    def post(self, path: str, **body: Any) -> Any:
        return self._ask(path, json.dumps(body).encode())

    def _ask(self, path: str, body: bytes | None) -> Any:
        """JSON, or the bytes of what is none."""
        request = urllib.request.Request(f"{self.url}{path}", body, {"Authorization": f"token {TOKEN}"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                content = answer.read()
                return json.loads(content) if "json" in answer.headers["Content-Type"] else content
        except urllib.error.HTTPError as error:
            return {"status": error.code, **json.loads(error.read())}

    def modules(self) -> set[str]:
        """What the process has imported by now."""
        found = self.path / "modules.json"
        found.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR2)
        wait_until(found.exists, what="the list of modules")
        return set(json.loads(found.read_text()))

    def log(self) -> str:
        return (self.path / "log").read_text()


@contextmanager
def server(
    path: Path,
    arguments: Sequence[str] = (),
    module: str = "jupyter_server",
    before: Sequence[str] = (),
    every_s: float = 0.01,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Serves `path/root`; configuration, runtime files and settings of qhub_ext lie in `path` too.

    `before` is a command that starts Python with other rights; `more` is in its environment as well.
    """
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("QHUB_", "JUPYTER_"))},
        "JUPYTER_CONFIG_DIR": str(path / "config"),
        "JUPYTER_DATA_DIR": str(path / "data"),
        "JUPYTER_RUNTIME_DIR": str(path / "runtime"),
        "QHUB_SHELF": str(path / "jobs"),
        "QHUB_CACHE": str(path / "cache"),
        "QHUB_EMBEDDED_DIRECTORY": str(path / "site"),
        **more,
    }
    for name in ("config", "data", "runtime", "root"):
        (path / name).mkdir(parents=True, exist_ok=True)
    configuration = CONFIGURATION.format(modules=str(path / "modules.json"), token=TOKEN)
    (path / "config" / "jupyter_server_config.py").write_text(configuration)
    command = [
        *before,
        sys.executable,
        "-m",
        module,
        f"--ServerApp.root_dir={path / 'root'}",
        "--ServerApp.port=0",
        *arguments,
    ]
    with (path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=path, stdout=log, stderr=log)
    try:
        yield Server(process, _address(process, path, every_s), path)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        process.wait()


def _address(process: subprocess.Popen[bytes], path: Path, every_s: float) -> str:
    """Where it listens, when it does."""
    for old in (path / "runtime").glob("jpserver-*"):
        if str(process.pid) not in old.name:
            old.unlink()

    def answers() -> str | None:
        assert process.poll() is None, (path / "log").read_text()
        for file in (path / "runtime").glob("jpserver-*.json"):
            with suppress(ValueError, urllib.error.URLError, ConnectionError):
                url = str(json.loads(file.read_text())["url"])
                urllib.request.urlopen(f"{url}api", timeout=60).close()
                return url
        return None

    address = wait_until(answers, what="the server", every_s=every_s)
    assert address is not None
    return address
