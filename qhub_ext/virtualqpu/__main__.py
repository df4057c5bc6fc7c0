"""`python -m qhub_ext.virtualqpu`: serves virtual QPUs on loopback until it is ended, or, on demand, until nobody asks any more."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn

from qhub_ext.capture.quantity import parse_time
from qhub_ext.errors import InvalidOptionError, UserError
from qhub_ext.jobfolder.atomic import write_json
from qhub_ext.telemetry.logs import configured
from qhub_ext.tiers import catalog
from qhub_ext.tiers.snapshots import read_document
from qhub_ext.virtualqpu.app import build
from qhub_ext.virtualqpu.house import NEVER, Cycles, House

IDLE_S = 900.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m qhub_ext.virtualqpu", description=__doc__)
    parser.add_argument(
        "--device", action="append", default=[], help="device to stand for, or NAME=DEVICE (repeatable; default: any)"
    )
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--speed", type=float, default=1.0, help="10 makes a second of the device a tenth of one")
    parser.add_argument(
        "--cycle", help="time from one calibration to the next, such as 2h (default: only when told to)"
    )
    parser.add_argument("--window", default="10m", help="how long a calibration takes (default: 10m)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the drift from one calibration to the next (default: 0)"
    )
    parser.add_argument(
        "--replay",
        action="append",
        default=[],
        type=Path,
        help="vendor's JSON of a real snapshot, as `qhub calibration --export` writes it; several are gone through in turn (repeatable)",
    )
    parser.add_argument("--directory", type=Path, required=True, help="folder of its key and address, mode 0700")
    parser.add_argument("--on-demand", action="store_true", help="leave when nobody has asked for a while")
    options = parser.parse_args()
    if options.speed <= 0:
        parser.error("--speed takes a number above 0")
    try:
        cycles = cycles_of(options.cycle, options.window, options.seed, options.replay, options.device)
    except UserError as error:
        parser.error(str(error))
    serve(options.directory, tuple(options.device), options.port, options.speed, cycles, on_demand=options.on_demand)


def cycles_of(
    cycle: str | None, window: str, seed: int, replay: Sequence[Path] = (), devices: Sequence[str] = ()
) -> Cycles:
    """Raises UserError for a time that is none, and for a file that is no snapshot of the one device that is served."""
    period_s = None if cycle is None else parse_time(cycle, "--cycle")
    return Cycles(period_s, parse_time(window, "--window"), seed, _replayed(replay, devices) if replay else {})


def _replayed(files: Sequence[Path], devices: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The oldest first."""
    if len(devices) != 1:
        raise InvalidOptionError("--replay has snapshots of one device.", advice="Name it: --device kingston.")
    name, _, model = devices[0].partition("=")
    model = catalog.resolve(model or name)
    name = name if "=" in devices[0] else model
    width = catalog.bounds_of(model).qubits
    found = []
    for file in files:
        try:
            document = json.loads(file.read_bytes())
            reading = read_document(document, device=model, source=str(file))
        except (OSError, ValueError) as error:
            raise UserError(f"{file} cannot be read as JSON: {error}.") from error
        if not isinstance(document.get("configuration"), dict):
            raise InvalidOptionError(f"{file} has no configuration: a device cannot be made of it.")
        if reading.snapshot.qubits != width:
            raise InvalidOptionError(f"{file} has {reading.snapshot.qubits} qubits, {model} has {width}.")
        found.append((reading.snapshot.taken_at, document))
    return {name: [document for _, document in sorted(found, key=lambda pair: pair[0])]}


def serve(
    directory: Path,
    devices: tuple[str, ...],
    port: int,
    speed: float,
    cycles: Cycles = NEVER,
    *,
    on_demand: bool = False,
) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = _key(directory)
    house = House(devices, speed, cycles)
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(
        uvicorn.Config(
            build(house, key),
            log_config=configured("qhub-virtual-qpu"),
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    if on_demand:
        threading.Thread(target=_leave_when_idle, args=(house, server), daemon=True).start()
    record = {"url": url, "key": key, "pid": os.getpid(), "instance": house.instance, "simulated": True}
    address = directory / "server.json"
    write_json(address, record)
    if threading.current_thread() is threading.main_thread():
        # uvicorn shuts down and then lets the signal have its own way, which for this one would be an end at once, with the address left behind
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"virtual QPU (simulated) at {url}; its address and key are in {address}", flush=True)
    try:
        server.run(sockets=[listener])
    finally:
        house.close()
        try:
            if json.loads(address.read_text()).get("instance") == house.instance:
                address.unlink()
        except (OSError, ValueError):
            pass


def _key(directory: Path) -> str:
    path = directory / "key"
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
    except FileExistsError:
        pass
    return path.read_text().strip()


def _leave_when_idle(house: House, server: uvicorn.Server) -> None:
    while not server.should_exit:
        time.sleep(5.0)
        if not house.busy and time.monotonic() - house.last_asked > IDLE_S:
            server.should_exit = True


if __name__ == "__main__":
    main()
