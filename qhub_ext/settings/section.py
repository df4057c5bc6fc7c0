"""What all sections of `qhub.toml` have in common: a key that nobody knows is refused, and nothing is set later on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


def _wherever_one_stands(folder: Path) -> Path:
    if not folder.is_absolute() and not str(folder).startswith("~"):
        raise ValueError(
            f"{str(folder)!r} is another folder for each process that stands elsewhere; it accepts a path from / or ~ on"
        )
    return folder


Folder = Annotated[Path, AfterValidator(_wherever_one_stands)]
"""One that several processes look into."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
