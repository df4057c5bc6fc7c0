"""The genuine wheel used without any of ours, in a Python of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from qiskit_ibm_runtime import RuntimeDecoder


def by_hand(script: str, asked: Any) -> Any:
    """What the script prints last, as JSON; `asked` is JSON on its standard input."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        input=json.dumps(asked),
        env=os.environ | {"no_proxy": "127.0.0.1"},
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def task_runner(config: dict[str, str], qasm: str, shots: int, folder: Path) -> Any:
    """The result that the wheel's own command writes for a sampler's payload."""
    payload = {"pubs": [[qasm, None, shots]], "version": 2, "support_qiskit": True, "options": {}}
    asked, answer = folder / "input.json", folder / "output.json"
    asked.write_text(json.dumps({"parameters": payload, "program_id": "sampler"}))
    done = subprocess.run(
        [str(Path(sys.executable).with_name("task_runner")), "kingston", str(asked), str(answer)],
        env={
            "PATH": "/usr/bin:/bin",
            "no_proxy": "127.0.0.1",
            "QRMI_JOB_QPU_RESOURCES": "kingston",
            "QRMI_JOB_QPU_TYPES": "ibm-quantum-compute-service",
            **{f"kingston_{key}": value for key, value in config.items()},
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(answer.read_text(), cls=RuntimeDecoder)
