"""A client that submits a plan of tasks and fetches their results; run as a process of its own, to be killed and started again.

    python -m tests.broker.chaos_client SOCKET PLAN.json FETCHED

Ids are the plan's, so what was on its way when it died is sent again. At most OPEN tasks wait at a time. FETCHED gets a line per result.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from qhub_ext.errors import QhubError
from qhub_ext.tiers.qpu.brokered import ask_broker

OPEN = 24
T = TypeVar("T")


def patiently(ask: Callable[[], T]) -> T:
    """The same question again, until it is answered."""
    while True:
        try:
            return ask()
        except QhubError as error:
            if "another task with the id" in str(error):
                raise
            time.sleep(0.1)


def main(socket: str, plan_file: str, fetched_file: str) -> None:
    plan: dict[str, Any] = json.loads(Path(plan_file).read_text())
    fetched_path = Path(fetched_file)
    fetched = set(fetched_path.read_text().split()) if fetched_path.exists() else set()
    sessions = {
        profile: patiently(lambda profile=profile: ask_broker(Path(socket), "POST", "/v1/sessions", {"profile": profile}))["id"]
        for profile in ("development", "test", "production")
    }  # fmt: skip
    coming = [one for one in plan["tasks"] if one["id"] not in fetched]
    waiting: list[str] = []
    while coming or waiting:
        while coming and len(waiting) < OPEN:
            one = coming.pop(0)
            params = {
                "pubs": [[plan["circuit"], None, one["shots"]]],
                "version": 2,
                "support_qiskit": True,
                "options": {},
            }
            body = {
                "session": sessions[one["profile"]],
                "device": "kingston",
                "program": "sampler",
                "params": params,
                "id": one["id"],
            }
            patiently(lambda body=body: ask_broker(Path(socket), "POST", "/v1/tasks", body))
            waiting.append(one["id"])
        for task in list(waiting):
            found = patiently(lambda task=task: ask_broker(Path(socket), "GET", f"/v1/tasks/{task}"))
            if found["ended_at"] is not None:
                waiting.remove(task)
                with fetched_path.open("a") as file:
                    file.write(f"{task}\n")
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
