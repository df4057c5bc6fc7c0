"""What a launcher says: a plain line, or where `telemetry.logs` is "json" one as `qhub_ext.telemetry.logs` writes it, with job and trace.

Stdlib only and without site-packages, like the launcher: the package cannot be imported from there.
"""

import json
import os
import time


def line(text: str, attempt: str) -> str:
    """`attempt` is its folder: JOB/attempts/N."""
    if os.environ.get("QHUB_TELEMETRY_LOGS", "").strip().lower() != "json":
        return f"launcher: {attempt}: {text}" if attempt else f"launcher: {text}"
    now = time.time()
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now * 1000) % 1000:03d}+00:00"
    told = {"at": at, "level": "error", "service": "qhub-launcher", "message": text}
    return json.dumps(told | (_of(attempt) if attempt else {}))


def _of(attempt: str) -> dict[str, object]:
    folder, number = os.path.dirname(os.path.dirname(attempt)), os.path.basename(attempt)
    told: dict[str, object] = {"job": os.path.basename(folder), "attempt": int(number) if number.isdigit() else 0}
    try:
        with open(f"{folder}/spec.json") as file:
            told["trace_id"] = str(json.load(file)["traceparent"]).split("-")[1]
    except (OSError, ValueError, LookupError, TypeError):
        pass  # the folder is gone, or of a version without traces
    return told
