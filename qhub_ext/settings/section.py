"""What all sections of `qhub.toml` have in common: a key that nobody knows is refused, and nothing is set later on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
