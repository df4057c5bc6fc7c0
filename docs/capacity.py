"""Makes the tables of docs/capacity.md anew: `python docs/capacity.py` (some minutes)."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from qiskit import QuantumCircuit, qasm3
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, SamplerPubResult

from qhub_ext.broker.capacity import Outlook, Plan, look_ahead
from qhub_ext.broker.desk import Desk
from qhub_ext.broker.policy import Policy
from qhub_ext.display.outlook import COLUMNS, outlook_row
from qhub_ext.tiers.qpu.wire import tagged

PAGE = Path(__file__).with_name("capacity.md")
BEGIN, END = "<!-- begin: python docs/capacity.py -->", "<!-- end -->"
PLANS = (Plan(10, 5, days=40), Plan(1000, 2, days=4), Plan(100_000, 1, days=1))
QUBITS, SHOTS, SLICES, TASKS = 20, 4000, 4, 200
KEPT_DAYS = 7


def main() -> None:
    found = []
    for plan in PLANS:
        begin = time.monotonic()
        found.append(look_ahead(plan))
        print(f"{plan.users:,} users: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    row, files, each_s = store()
    waits = table(COLUMNS, [outlook_row(one) for one in found])
    store_rows = [
        (f"{one.plan.users:,}", f"{one.slices_day / 86400:.2f}", f"{1 / one.decision_s:,.0f}", f"{one.tasks_day / 86400:.2f}", f"{1 / each_s:.0f}",
         size(ledger_day(one, row)), size(365 * ledger_day(one, row)), size(KEPT_DAYS * one.tasks_day * files))
        for one in found
    ]  # fmt: skip
    names = ("users", "slices a second", "decisions a second, possible", "tasks a second", "tasks a second, possible", "ledger, a day", "ledger, a year", f"payloads and results of {KEPT_DAYS} days")  # fmt: skip
    made = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    words = [
        BEGIN, f"Made on {made}; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f} at the end.", "", waits, "",
        table(names, store_rows), "",
        f"A task of {SLICES} slices takes {row:,.0f} bytes of the ledger (SQLite). Payload and results of one that measures {QUBITS} qubits {SHOTS:,} times, with a circuit",
        f"of {QUBITS} layers, take {size(files)}, and {1e3 * each_s:.0f} ms of this machine's time and disk from its submission to its merged result.", END,
    ]  # fmt: skip
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + "\n".join(words) + rest.partition(END)[2])


def ledger_day(one: Outlook, row: float) -> float:
    return one.tasks_day * row * (1 + one.slices_day / one.tasks_day / SLICES) / 2


def store() -> tuple[float, float, float]:
    """Of one task with its slices: bytes in the ledger, bytes of files, and seconds."""
    circuit = QuantumCircuit(QUBITS)
    for _ in range(QUBITS):
        circuit.sx(range(QUBITS))
        for qubit in range(0, QUBITS - 1, 2):
            circuit.cz(qubit, qubit + 1)
    circuit.measure_all()
    params = {"pubs": [[qasm3.dumps(circuit), None, SHOTS]], "version": 2, "support_qiskit": True, "options": {}}
    luck = np.random.default_rng(1)
    with tempfile.TemporaryDirectory(prefix="qhub-capacity-") as name:
        desk = Desk(Path(name), ["kingston"], Policy(slice_s=SHOTS / SLICES * 300e-6))
        session = desk.sessions.open(5001, "alice", profile="production", account="physics", job="1234567")
        begin = time.perf_counter()
        for _ in range(TASKS):
            task = desk.submit(session, "kingston", "sampler", params).id
            last = False
            while not last:
                given = desk.turns.next_slice("kingston", 0.0)
                assert given is not None
                one = given[1]
                desk.turns.sent(one, "d1234567890abcdefghij")
                shots = sum(piece.units for piece in one.pieces)
                bits = BitArray(luck.integers(0, 256, (shots, (QUBITS + 7) // 8), dtype=np.uint8), QUBITS)
                result = PrimitiveResult([SamplerPubResult(DataBin(meas=bits, shape=()))], metadata={"version": 2})
                last = desk.turns.finished(one, json.dumps(tagged(result)), None, "20261128T060000Z-0123456789abcdef")
            desk.turns.complete(task)
        spent = time.perf_counter() - begin
        desk.ledger.close()
        rows = (Path(name) / "broker.sqlite").stat().st_size
        files = sum(path.stat().st_size for path in (Path(name) / "tasks").rglob("*") if path.is_file())
    return rows / TASKS, files / TASKS, spent / TASKS


def table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [names, tuple("---:" for _ in names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def size(count: float) -> str:
    power = min(4, max(0, int(math.log10(max(count, 1)) // 3)))
    return f"{count / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


if __name__ == "__main__":
    main()
