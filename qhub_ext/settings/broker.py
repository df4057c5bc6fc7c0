"""`[broker]`: the second-level scheduler, its profiles and rules."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import BeforeValidator, Field, model_validator

from qhub_ext.settings.section import Folder, Section


class BrokerRuleSettings(Section):
    """Which jobs of the site have which profile; the first rule that fits counts, an empty field fits all."""

    profile: str = Field(description="The profile of jobs that fit.")
    qos: str = Field(default="", description="QOS of the job.")
    partition: str = Field(default="", description="Partition of the job.")
    account: str = Field(default="", description="Account of the job.")


class BrokerProfileSettings(Section):
    """A policy class of tasks: what it may use, and before whom it goes."""

    rank: int = Field(description="Higher goes first, and between slices; production has 2, test 1, development 0.")
    task_s: float | None = Field(default=None, gt=0, description="Seconds of QPU that one task may need.")
    shots: int | None = Field(default=None, ge=1, description="Shots that one PUB may ask for.")
    user_day_s: float | None = Field(default=None, gt=0, description="Seconds of QPU of one user and day (UTC).")
    account_day_s: float | None = Field(default=None, gt=0, description="Seconds of QPU of one account and day (UTC).")
    user_queued: int | None = Field(default=None, ge=1, description="Tasks that one user may have waiting.")
    slots: int | None = Field(default=None, ge=1, description="Tasks on devices at a time.")
    age_s: float | None = Field(
        default=None, gt=0, description="After so many seconds of waiting a task counts as `ages_to`."
    )
    ages_to: int | None = Field(default=None, description="The rank that an old task counts as, and never more.")
    lease_s: float = Field(
        default=0.0, ge=0, description="Longest time for which a session may have a device to itself."
    )


class BrokerSettings(Section):
    """The second-level scheduler of quantum tasks, which a site runs once (`python -m qhub_ext.broker`), or a user alone on demand."""

    socket: Annotated[Path | None, BeforeValidator(lambda given: None if given == "" else given)] = Field(
        default=None,
        description="Socket of the broker that the tier qpu goes through; default: straight to the device.",
    )
    directory: Folder = Field(
        default_factory=lambda: Path(platformdirs.user_state_dir("qhub")) / "broker" / socket.gethostname(),
        description="Folder of the broker's own ledger and socket, on this host's own disk.",
    )
    url: str = Field(
        default="",
        description="Address of a broker on another host, such as http://login1:8731, for hosts where `socket` is not there.",
    )
    on_demand: bool = Field(
        default=False,
        description="Without `socket` and `url`: a broker of your own on this host, in `directory`, started by the first task of the tier qpu that needs it.",
    )
    idle_exit_s: float = Field(
        default=900.0,
        gt=0,
        description="A broker that was started on demand leaves when nothing waits there and nobody asked for so many seconds.",
    )
    token_file: Path | None = Field(
        default=None,
        description="File of mode 0600 with your token for `url`; default: MUNGE says who you are.",
    )
    munge_socket: Path | None = Field(
        default=None, description="Socket of munged; default: the one that it was built with."
    )
    database: str = Field(
        default="",
        description="PostgreSQL for the ledger, such as postgresql:///qhub; default: SQLite in `directory`. Passwords belong in ~/.pgpass.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that the broker listens at, for the genuine client and for callers with MUNGE or a token.",
    )
    port: int = Field(default=0, ge=0, le=65535, description="Port there; 0 takes a free one.")
    session_idle_s: float = Field(
        default=3600.0, gt=0, description="A session without a call or a task ends after so long."
    )
    sweep_s: float = Field(
        default=10.0, gt=0, description="How often sessions, leases and the jobs behind them are looked after."
    )
    session_s: float = Field(default=7 * 86400.0, gt=0, description="Longest life of a session.")
    summaries_days: float = Field(
        default=90.0, gt=0, description="So long summaries of ended jobs are kept, for `qhub fleet`."
    )
    wait_targets_s: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=lambda: {"production": 300.0, "test": 1800.0, "development": 14400.0},
        description="Profile -> seconds within which its jobs are to begin, all queues together; `qhub fleet slo` holds them against it.",
    )
    wait_share: float = Field(
        default=0.95, gt=0, le=1, description="Share of a profile's jobs that are to begin within its target."
    )
    slice_s: float = Field(default=60.0, gt=0, description="Seconds of QPU after which another task may have its turn.")
    turn_s: float = Field(
        default=300.0,
        gt=0,
        description="Seconds of QPU for which a task keeps the device on end, against others of its rank; then goes who had less.",
    )
    share_half_life_s: float = Field(
        default=21600.0,
        ge=60,
        description="Seconds after which what somebody had of the devices counts half in the fair share; with days, who had much waits behind all others for days.",
    )
    overhead_s: float = Field(default=1.0, ge=0, description="Seconds that the device needs once per slice.")
    on_calibration_change: Literal["accept", "flag", "restart"] = Field(
        default="flag",
        description="A device that is calibrated between the slices of a task: say nothing, say it, or run once more what ran before. A task's own word counts before it.",
    )
    ahead: dict[str, Annotated[int, Field(ge=1, le=100)]] = Field(
        default_factory=dict,
        description="Resource -> slices at the device at a time, the one that runs counted; default: 1. With 2 the device does not wait for the next slice, and a more urgent task waits for two at most.",
    )
    profiles: dict[str, BrokerProfileSettings] = Field(
        default_factory=dict, description="Name -> policy class of tasks."
    )
    rules: tuple[BrokerRuleSettings, ...] = Field(default=(), description="Which jobs have which profile.")

    @property
    def place(self) -> Path | str | None:
        """Where the tier qpu finds its broker; None where it goes straight to the device."""
        return self.shared or self.own

    @property
    def shared(self) -> Path | str | None:
        """The site's broker, which knows of everybody's jobs. With both given, the address is for hosts without the socket."""
        if self.socket is not None and (not self.url or self.socket.exists()):
            return self.socket
        return self.url or None

    @property
    def own(self) -> Path | None:
        """The socket of the user's own broker, which may not be up."""
        return self.directory / "broker.sock" if self.on_demand and self.shared is None else None

    @model_validator(mode="after")
    def _slices_are_worth_it(self) -> BrokerSettings:
        if self.slice_s <= self.overhead_s:
            raise ValueError(
                f"slice_s = {self.slice_s:g} must be above overhead_s = {self.overhead_s:g}: a slice would be over before its first shot"
            )
        return self
