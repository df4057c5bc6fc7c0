"""Serves the broker until it is ended: a unix socket for the people and jobs of this host, and TCP on loopback for the genuine client.

python -m qhub_ext.broker --directory DIR [--device NAME]... [--slurm]
"""

from __future__ import annotations

from qhub_ext.sites.embedded.installed_code import BEGAN_WITH  # before the rest, which may be replaced meanwhile

# isort: split
import argparse
import asyncio
import logging
import logging.config
import math
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import uvicorn

from qhub_ext.broker.app import build, default_operators
from qhub_ext.broker.database import LedgerError, LedgerInUseError, translated
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.devices import Devices
from qhub_ext.broker.idle import Idle
from qhub_ext.broker.listening import PeerProtocol, tcp_socket, unix_socket
from qhub_ext.broker.membership import Membership, OneUser, SlurmJobs, Timed
from qhub_ext.broker.policy import policy_of
from qhub_ext.broker.postgres import Postgres
from qhub_ext.broker.profiles import Rule
from qhub_ext.errors import DeviceError, QhubError, UnknownNameError
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.settings import BrokerSettings, Settings, current_settings
from qhub_ext.sites.embedded.succession import TRY, Succession
from qhub_ext.telemetry.logs import configured
from qhub_ext.tiers import catalog
from qhub_ext.tiers.qpu.on_demand import ERROR
from qhub_ext.tiers.qpu.own_broker import keep_up
from qhub_ext.tiers.qpu.resources import Resource, list_resources
from qhub_ext.tiers.qpu.virtual import virtual_resource

SWITCH_S = 0.0005
"""A device's thread that has a task to send does not wait for the thread that answers its client."""
LOOK_S = 0.5
TAKE_OVER_S = 15.0
_ANY = ("", "0.0.0.0", "::")  # noqa: S104 - what an operator may choose to listen at
LOGS = configured("qhub-broker")
log = logging.getLogger("qhub_ext.broker")  # run with -m, this module is called __main__


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m qhub_ext.broker", description=__doc__)
    parser.add_argument(
        "--directory", type=Path, help="folder of its ledger and socket (default: the setting broker.directory)"
    )
    parser.add_argument(
        "--device", action="append", default=[], help="device to serve (repeatable; default: all named resources)"
    )
    parser.add_argument("--socket", type=Path, help="its unix socket (default: broker.sock in its folder)")
    parser.add_argument("--slurm", action="store_true", help="sessions are held against the jobs of Slurm")
    parser.add_argument(
        "--on-demand", action="store_true", help="for one user: take devices as tasks name them, and leave when idle"
    )
    parser.add_argument(TRY, dest="only_try", action="store_true", help="leave at once: it can be started")
    options = parser.parse_args()
    if options.only_try:
        return
    logging.config.dictConfig(LOGS)
    try:
        settings = current_settings()
        serve(
            options.directory or settings.broker.directory,
            tuple(options.device),
            settings,
            slurm=options.slurm,
            at=options.socket,
            on_demand=options.on_demand,
        )
    except QhubError as error:
        sys.exit(f"{ERROR}{error.message} {error.advice}".rstrip())


def serve(
    directory: Path, devices: tuple[str, ...], settings: Settings, *, slurm: bool, at: Path | None = None, on_demand: bool = False
) -> None:  # fmt: skip
    at = at or directory / "broker.sock"
    sys.setswitchinterval(SWITCH_S)
    with translated(str(directory)):
        directory.mkdir(mode=0o755 if slurm else 0o700, parents=True, exist_ok=True)
    resources = _resources(devices, settings, on_demand=on_demand)
    policy = policy_of(settings.broker)
    given = settings.broker
    database = Postgres(given.database) if given.database else None
    desk = _after_the_one_before(
        lambda: Desk(
            directory / "ledger", [r.device for r in resources], policy, database=database,
            session_idle_s=given.session_idle_s, session_s=given.session_s, ahead=_ahead(resources, given, on_demand=on_demand),
            on_calibration_change=given.on_calibration_change,
        ),
        TAKE_OVER_S if on_demand else 0.0,
    )  # fmt: skip
    threads = Devices(desk, settings, resources, on_demand=on_demand)
    idle = Idle(given.idle_exit_s if on_demand else math.inf, lambda: desk.busy)
    door = tcp_socket(directory, given.host, given.port)
    url = f"http://{'127.0.0.1' if given.host in _ANY else given.host}:{door.getsockname()[1]}"
    local = unix_socket(at, 0o666 if slurm else 0o600)
    rules = tuple(Rule(r.profile, r.qos, r.partition, r.account) for r in settings.broker.rules)
    membership = Timed(SlurmJobs(policy.profiles, rules) if slurm else OneUser(policy.profiles))
    app = build(
        desk, threads, url=lambda: url, membership=membership, operators=default_operators(), munge_socket=given.munge_socket,
        given=given, idle=idle,
    )  # fmt: skip
    server = uvicorn.Server(
        uvicorn.Config(
            app, http=PeerProtocol, log_config=LOGS, access_log=False, lifespan="off", timeout_graceful_shutdown=1
        )
    )
    threads.start()
    if on_demand:
        threading.Thread(target=_leave_when_due, args=(idle, server), name="broker-idle", daemon=True).start()
    threading.Thread(target=_sweep, args=(desk, membership, given.sweep_s), name="broker-sweep", daemon=True).start()
    threading.Thread(target=app.state.summaries.warm, name="broker-fleet", daemon=True).start()
    record = {
        "url": url,
        "socket": str(at),
        "pid": os.getpid(),
        "instance": secrets.token_hex(8),
    }
    write_json(directory / "broker.json", record)
    print(f"broker for {', '.join(desk.devices)} at {at} and {url}", flush=True)
    print(f"jobs of the tier qpu take their turn here with QHUB_BROKER_SOCKET={at}", flush=True)
    try:
        asyncio.run(_serve(server, [door, local]))
    finally:
        desk.close()
        threads.join(5.0)
        desk.ledger.close()
    if desk.busy and idle.over() and at == given.own:  # of older code: what waits here goes on with the next one
        keep_up(given)


async def _serve(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: setattr(server, "should_exit", True))
    await server.serve(sockets=sockets)


def _after_the_one_before(open_desk: Callable[[], Desk], patience_s: float) -> Desk:
    """A broker that leaves holds its ledger for a moment still."""
    until = time.monotonic() + patience_s
    while True:
        try:
            return open_desk()
        except LedgerInUseError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def _leave_when_due(idle: Idle, server: uvicorn.Server) -> None:
    """When nobody needs it any more, or the package was changed and a broker of the new code can be started."""
    succession = Succession(BEGAN_WITH, [sys.executable, "-m", "qhub_ext.broker"])
    while not server.should_exit:
        time.sleep(LOOK_S)
        if succession.due and succession.ready():
            log.info("the package was changed since this broker began: it leaves to one of the new code")
            idle.leave()
        server.should_exit = server.should_exit or idle.over()


def _resources(devices: tuple[str, ...], settings: Settings, *, on_demand: bool) -> list[Resource]:
    """Those that are named, else a virtual QPU per device that was asked for."""
    named = [r for r in list_resources(settings.qpu) if not r.trouble]
    if not devices:
        if not named and not on_demand:
            raise DeviceError("The broker has no device: no resource is named.", advice="Name one under qpu.resources in qhub.toml, or ask for a virtual one with --device NAME.")  # fmt: skip
        return named
    return [
        next((r for r in named if name in (r.device, r.name)), None)
        or virtual_resource(catalog.resolve(name), settings.qpu)
        for name in devices
    ]


def _ahead(resources: list[Resource], settings: BrokerSettings, *, on_demand: bool) -> dict[str, int]:
    """By device; the settings name resources."""
    device_of = {r.device: r.device for r in resources} | {r.name: r.device for r in resources}
    for name in settings.ahead:
        if name not in device_of and on_demand:
            device_of[name] = name  # a device to come
        if name not in device_of:
            raise UnknownNameError.among("resource of this broker (broker.ahead)", name, list(device_of))
    return {device_of[name]: count for name, count in settings.ahead.items()}


def _sweep(desk: Desk, membership: Membership, every_s: float) -> None:
    told = ""
    while not desk.turns.closed:
        time.sleep(every_s)
        try:
            desk.sweep(membership.gone)
        except LedgerError as error:
            if error.message != told:
                told = error.message
                log.warning(told)
        except Exception:  # without it no session and no lease would end any more
            log.exception("what is over could not be ended; that is tried again in %g s", every_s)


if __name__ == "__main__":
    main()
