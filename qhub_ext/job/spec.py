"""What was asked for: one frozen record, written once into the job folder and never changed."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass, field
from typing import Any

from qhub_ext.job.kinds import unfit

SCHEMA = "qhub.job/1"


def legible(text: str) -> str:
    """Text that UTF-8 can carry. Of a file name that Python could not decode, its bytes are read as UTF-8, and � stands for the rest."""
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:  # half a pair, which is no byte of a file name
        return re.sub("[\ud800-\udfff]", "�", text)


@dataclass(frozen=True)
class Element:
    """One element of an array (a sweep): its place, and the values that its cell sees."""

    array_id: str
    index: int
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """How the runner is started where it is not simply the spec's `python`. `kind` is as qhub.toml names it; `before` are lines of bash,
    `prefix` words before Python. `environments` is the folder in which the job's lock is built on the node before it begins.
    """

    kind: str
    before: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    environments: str = ""

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Launch:
        before, prefix = (tuple(map(str, record.get(name) or ())) for name in ("before", "prefix"))
        return cls(str(record["kind"]), before, prefix, str(record.get("environments", "")))


@dataclass(frozen=True)
class JobSpec:
    """`time_s` wall time in s, `memory_mb` in MiB (None: what the site gives), `created_at` in s since 1970 UTC.

    `outputs` are names of variables to bring back; None means all that the cell binds. `after` are ids of jobs of the same
    site that must complete first. `resource` says what stands for the device on the tier qpu. A script has the path of its `file` and its `arguments`. An array has `size` elements, each with a folder and a spec of its own (`element`). `rerun_of` is the job whose bundle runs again. `traceparent` is W3C's
    context of its trace, whose span is the job itself; `outer_traceparent` that of whoever submitted it. `profile_classical` asks for a
    profile of the cell's own Python, `profile_sampled` for one by samples from outside. `drawn_seed` is where the seeds of tasks come from that name none. `snapshot` is the id of the calibration
    that it has to run under, "" for the device's present one.
    """

    id: str
    name: str
    tier: str
    device: str
    created_at: float
    owner: str
    kind: str = "cell"
    profile: str = "development"
    site: str = "embedded"
    shots: int | None = None
    seed: int | None = None
    time_s: int = 3600
    cpus: int = 1
    memory_mb: int | None = None
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] | None = None
    after: tuple[str, ...] = ()
    directory: str = "."
    file: str = ""
    arguments: tuple[str, ...] = ()
    python: str = ""
    environment_digest: str = ""
    output_limit_mb: int = 16
    variable_limit_mb: int = 256
    grace_s: int = 15
    cold: bool = False
    resource: str = ""
    site_options: dict[str, str] = field(default_factory=dict)
    size: int | None = None
    element: Element | None = None
    requested: dict[str, Any] = field(default_factory=dict)
    rerun_of: str = ""
    drawn_seed: int | None = None
    snapshot: str = ""
    launch: Launch | None = None
    traceparent: str = ""
    outer_traceparent: str = ""
    profile_classical: bool = False
    profile_sampled: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", legible(self.name))

    def to_json(self) -> dict[str, Any]:
        """To be written, not to be changed: lists and dicts in it are the specification's own."""
        parts = {n: dict(vars(v)) if dataclasses.is_dataclass(v) else v for n, v in vars(self).items()}
        return {"schema": SCHEMA, **parts}

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> JobSpec:
        """Reads its own and older versions; keys from newer ones are left out, and missing ones take their defaults. Raises TypeError,
        KeyError or AttributeError for what is no specification.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        values = {k: v for k, v in record.items() if k in known}
        for name in ("inputs", "outputs", "after", "arguments"):
            if isinstance(values.get(name), list):
                values[name] = tuple(values[name])
        if values.get("element"):
            values["element"] = Element(**values["element"])
        if values.get("launch"):
            values["launch"] = Launch.from_json(values["launch"])
        if wrong := unfit(values, cls):
            raise TypeError(f"its {wrong[0]} is {values[wrong[0]]!r:.60}")
        return cls(**values)
