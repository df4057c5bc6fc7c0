"""A broker before a device: its operator's orders, and every limit of its policy, each a profile that is so narrow that one task runs into it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.diagnosis.corpus.case import Case, at_the_broker
from tests.diagnosis.corpus.devices import BELL, QPU

if TYPE_CHECKING:
    from tests.broker.conftest import Broker
    from tests.diagnosis.corpus.place import Place

LONG = BELL.replace("[circuit], shots=100", "[circuit] * 40, shots=100_000")
DEVICES = ("fez", "marrakesh", "torino")
"""Beside kingston, which its operator drains: one in a calibration window, one that works, one that somebody has alone."""
PROFILES = {
    "few-shots": "shots = 50",
    "no-day": "user_day_s = 1.0",
    "no-account": "account_day_s = 1.0",
    "one-slot": "slots = 1",
    "one-waiting": "user_queued = 1",
}
BROKER = "\n".join(f"[broker.profiles.{name}]\nrank = 0\n{cap}" for name, cap in PROFILES.items())
JOBS = '[broker]\nsocket = "$ROOT/broker/broker.sock"\n' + "".join(f"[profiles.{name}]\n" for name in PROFILES)
QASM = 'OPENQASM 3.0;\ninclude "stdgates.inc";\nbit[1] meas;\nsx $0;\nmeas[0] = measure $0;\n'


def broker(place: Place) -> Broker:
    return place.start_broker(DEVICES, BROKER)


def drained(place: Place) -> None:
    broker(place).ask("POST", "/v1/devices/kingston/drain", {"note": "the fridge"})


def in_a_window(place: Place) -> None:
    broker(place).ask("POST", "/v1/windows", {"start": time.time() - 10, "length_s": 3600.0, "device": "fez"})


def used_up(whose: str, profile: str) -> Any:
    """The operator takes what is left of the day."""

    def prepare(place: Place) -> None:
        broker(place).ask("PUT", f"/v1/limits/profile/{profile}/{whose}_day_s", {"value": 0})

    return prepare


def slot_taken(place: Place) -> None:
    """By a task of minutes."""
    asked = broker(place)
    params = {"pubs": [[QASM, None, 100_000]] * 20, "version": 2, "support_qiskit": True, "options": {}}
    session = asked.session("one-slot")["id"]
    asked.ask("POST", "/v1/tasks", {"session": session, "device": "marrakesh", "program": "sampler", "params": params})


def one_waits(place: Place) -> None:
    asked = broker(place)
    asked.submit(asked.session("one-waiting"), QASM, 10)


def leased(place: Place) -> None:
    asked = broker(place)
    session = asked.session("production")["id"]
    asked.ask("POST", "/v1/devices/torino/lease", {"session": session, "length_s": 1800.0})


def case(name: str, cause: str, device: str, cell: str = BELL, profile: str = "", **more: Any) -> Case:
    options = {**QPU, "device": device, **({"profile": profile} if profile else {})}
    return Case(name, cause, cell, options, config=JOBS, **more)


CASES = (
    case("a broker whose operator drains the device", "device", "kingston", prepare=drained, until=at_the_broker, rules=("maintenance",)),
    case("a broker that keeps a calibration window", "calibration", "fez", prepare=in_a_window, until=at_the_broker, rules=("calibration window",)),
    case("a task longer than the broker's policy allows", "queue policy", "marrakesh", LONG, prepare=broker, rules=("policy limit",)),
    case("more shots than the broker's policy allows", "queue policy", "marrakesh", profile="few-shots", prepare=broker, rules=("policy limit",), held_out=True),
    case("more waiting tasks than the broker's policy allows", "queue policy", "kingston", profile="one-waiting", prepare=one_waits, rules=("policy limit",), held_out=True),
    case("QPU seconds of a user's day that are used up", "queue policy", "marrakesh", profile="no-day", prepare=used_up("user", "no-day"), until=at_the_broker, rules=("broker",), held_out=True),
    case("QPU seconds of an account's day that are used up", "queue policy", "marrakesh", profile="no-account", prepare=used_up("account", "no-account"), until=at_the_broker, rules=("broker",), held_out=True),
    case("a slot of the profile that another task has", "queue policy", "marrakesh", profile="one-slot", prepare=slot_taken, until=at_the_broker, rules=("broker",), held_out=True),
    case("a device that somebody has alone", "queue policy", "torino", prepare=leased, until=at_the_broker, rules=("broker",), held_out=True),
)  # fmt: skip
