"""The daemon starts in a moment and stays small, because of what it does not import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from qhub_ext.sites.embedded import daemon, launch

HEAVY = {
    "pydantic",
    "psutil",
    "platformdirs",
    "jupyter_core",
    "numpy",
    "qiskit",
    "subprocess",
    "asyncio",
    "_hashlib",
    "ssl",
}


def modules_after(code: str) -> set[str]:
    root = str(Path(daemon.__file__).parents[3])
    text = f"import sys; sys.path.append({root!r}); {code}; print(*sys.modules)"
    return set(
        subprocess.run(
            [sys.executable, "-I", "-S", "-c", text], capture_output=True, text=True, check=True
        ).stdout.split()
    )


def test_the_daemon_needs_no_installed_package() -> None:
    assert not HEAVY & modules_after("import qhub_ext.sites.embedded.daemon")


def test_the_launcher_imports_a_handful_of_modules() -> None:
    folder = str(Path(launch.__file__).parent)
    loaded = modules_after(f"sys.path.append({folder!r}); import launcher")
    assert not loaded & {*HEAVY, "json", "enum", "re", "typing", "pathlib", "signal"}
