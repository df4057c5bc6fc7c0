"""The environment that a tier's jobs run in, as qhub.toml says: which Python, and what comes before it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qhub_ext.errors import SettingsError
from qhub_ext.job.spec import Launch
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.locks import LockStore, lock_of
from qhub_ext.reproduce.environments import build, environments_folder
from qhub_ext.reproduce.locking import make_lock
from qhub_ext.settings import RuntimeSettings, Settings

_LOAD_MODULES = (
    "# A batch shell may not know `module` yet.",
    'command -v module > /dev/null || for init in "${MODULESHOME:-/usr/share/modules}/init/bash" /etc/profile.d/lmod.sh /etc/profile.d/modules.sh;'
    ' do [ -r "$init" ] && . "$init" && break; done',
)


def launched(tier: str, folder: JobFolder | None, runtime: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """`python` and `launch` of a spec. `folder` is that of a job that runs again. Raises SettingsError, EnvironmentMismatchError."""
    chosen = settings.runtimes.get(tier, RuntimeSettings())
    if chosen.kind != "lock":
        python, launch = render_launch(chosen, tier, settings.shelf)
        return {"python": python, "launch": launch}
    root = environments_folder(settings.shelf)
    before = _modules(chosen.modules)
    lock = _lock(folder, runtime, settings.shelf)
    if chosen.build == "before":
        return {"python": str(build(lock.read_bytes(), str(lock), root)), "launch": Launch("lock", before)}
    return {"python": sys.executable, "launch": Launch("lock", before, environments=str(root))}


def _lock(folder: JobFolder | None, runtime: Mapping[str, Any], shelf: Path) -> Path:
    """That of the job, else of this interpreter, made now where nobody had the time yet."""
    known = None if folder is None else lock_of(folder)
    state = str(runtime["state"])
    found = known or LockStore(shelf).find(state)
    if found is None:
        shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = LockStore(shelf).put(make_lock([os.path.abspath(entry) for entry in sys.path]), state)
    return found


def render_launch(chosen: RuntimeSettings, tier: str, shelf: Path) -> tuple[str, Launch | None]:
    """Which Python, and what comes before it. Raises SettingsError for what is missing."""
    before = _modules(chosen.modules)
    if chosen.kind == "this":
        return sys.executable, Launch("this", before) if before else None
    if chosen.kind in ("venv", "conda"):
        return _python_at(chosen, tier), Launch(
            chosen.kind, (*before, *(_activate(chosen.path) if chosen.kind == "conda" else ()))
        )
    if chosen.kind == "modules":
        if not before:
            raise SettingsError(
                f"runtimes.{tier} has kind 'modules' and names none.", advice='Write modules = ["python/3.11"].'
            )
        return chosen.python, Launch("modules", before)
    prefix = chosen.command or _container(chosen, tier, shelf)
    return chosen.python, Launch("container", (*before, *_name_image(chosen)), tuple(prefix))


def _name_image(chosen: RuntimeSettings) -> tuple[str, ...]:
    """For the record of the place. Podman tells the digest of an image that it has: a tag may name another one tomorrow."""
    if not chosen.image:
        return ()
    image = shlex.quote(chosen.image)
    named = f"export QHUB_CONTAINER_IMAGE={image}"
    if chosen.engine != "podman" or chosen.command or "@sha256:" in chosen.image:
        return (named,)
    ask = f"podman image inspect --format '{{{{.Digest}}}}' {image} 2> /dev/null"
    return named, f'if digest=$({ask}); then QHUB_CONTAINER_IMAGE+="@$digest"; fi'


def _python_at(chosen: RuntimeSettings, tier: str) -> str:
    if chosen.path is None:
        raise SettingsError(
            f"runtimes.{tier} has kind {chosen.kind!r} and no path.", advice='Write path = "/shared/environments/mine".'
        )
    python = chosen.path / "bin" / "python"
    if not os.access(python, os.X_OK):
        raise SettingsError(
            f"runtimes.{tier} names {chosen.path}, where there is no bin/python.",
            advice=f"python3 -m venv {shlex.quote(str(chosen.path))}",
        )
    return str(python)


def _modules(names: Sequence[str]) -> tuple[str, ...]:
    return (*_LOAD_MODULES, f"module load {shlex.join(names)} || exit 1") if names else ()


def _activate(path: Path | None) -> tuple[str, ...]:
    """What `conda activate` does, without conda: variables, and the packages' own scripts."""
    place = shlex.quote(str(path))
    return (
        f"export CONDA_PREFIX={place}",
        'export PATH="$CONDA_PREFIX/bin:$PATH"',
        'for init in "$CONDA_PREFIX"/etc/conda/activate.d/*.sh; do [ -r "$init" ] && . "$init"; done',
    )


def _container(chosen: RuntimeSettings, tier: str, shelf: Path) -> list[str]:
    if not chosen.image:
        raise SettingsError(
            f"runtimes.{tier} has kind 'container' and no image.", advice='Write image = "/shared/images/qhub.sif".'
        )
    binds = [bind if ":" in bind else f"{bind}:{bind}" for bind in (str(shelf.absolute()), *chosen.binds)]
    if chosen.engine == "apptainer":
        return ["apptainer", "exec", *(word for bind in binds for word in ("--bind", bind)), chosen.image]
    if chosen.engine == "podman":
        mounts = [word for bind in binds for word in ("--volume", bind)]
        # what the site and we say to the runner, and no more
        passed = [word for name in ("QHUB_*", "SLURM_*") for word in ("--env", name)]
        return ["podman", "run", "--rm", "--userns=keep-id", "--network=host", *mounts, *passed, chosen.image]
    mounts = [word for bind in binds for word in ("--mount", bind)]
    return ["enroot", "start", *mounts, "--env", "QHUB_ATTEMPT", "--env", "QHUB_TIME_UP_S", chosen.image]
