"""Settings read from files and variables. Nothing else reads them."""

from __future__ import annotations

import os
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qhub_ext.errors import SettingsError
from qhub_ext.settings.floors import is_the_sites, keep_floors, note_floors
from qhub_ext.settings.layers import merge, nest
from qhub_ext.settings.refusals import explain_refusal
from qhub_ext.settings.variables import from_environment, tell_unknown
from qhub_ext.settings.whole import Settings

FILE_NAME = "qhub.toml"


def config_files(environment: dict[str, str] | None = None) -> list[Path]:
    """Where `qhub.toml` is looked for, weakest first."""
    from jupyter_core.paths import jupyter_config_path

    env = os.environ if environment is None else environment
    found = [Path(folder) / FILE_NAME for folder in reversed(jupyter_config_path())]
    if env.get("QHUB_CONFIG"):
        found.append(Path(env["QHUB_CONFIG"]).expanduser())
    return found


def load_settings(environment: dict[str, str] | None = None, files: list[Path] | None = None) -> Settings:
    env = dict(os.environ if environment is None else environment)
    if environment is None and "QHUB_ATTEMPT" not in env:  # in a job nobody can correct it any more
        tell_unknown(env)
    merged: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    floors: dict[tuple[str, ...], tuple[float, Path]] = {}
    for path in config_files(env) if files is None else files:
        try:
            with path.open("rb") as file:
                layer = tomllib.load(file)
        except FileNotFoundError:
            if str(path) == env.get("QHUB_CONFIG"):
                raise SettingsError(f"QHUB_CONFIG names {path}, which does not exist.") from None
            continue
        except tomllib.TOMLDecodeError as error:
            raise SettingsError(f"{path} is not valid TOML: {error}.") from error
        except OSError as error:
            raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
        merge(merged, layer, str(path), origin, ())
        if is_the_sites(path, env):
            note_floors(layer, path, floors)
    for name, value in from_environment(env).items():
        merge(merged, nest(name, value), "QHUB_" + "_".join(name).upper(), origin, ())
    if "QHUB_SITE" in env:
        merged.pop("sites", None)
    keep_floors(merged, floors, origin, env)
    try:
        settings = Settings.model_validate(merged)
    except ValidationError as error:
        raise explain_refusal(error, origin) from error
    return settings


@lru_cache(maxsize=1)
def _cached(fingerprint: tuple[Any, ...]) -> Settings:  # noqa: ARG001 - the cache's key
    return load_settings()


# what can change where settings lie, or what they say
_STEERING = ("QHUB_", "JUPYTER_", "XDG_", "HOME")


@lru_cache(maxsize=4)
def _files_under(variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    return tuple(map(str, config_files(dict(variables))))


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return 0


def current_settings() -> Settings:
    """The settings of this process, read again only when a file or a variable changed."""
    named = [name for name in sorted(os.environ) if name.startswith(_STEERING)]
    variables = tuple((name, os.environ[name]) for name in named)
    return _cached((*map(_stamp, _files_under(variables)), *variables))
