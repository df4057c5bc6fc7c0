"""`ro-crate-metadata.json` of a job: a Workflow Run RO-Crate (profile 0.5, on RO-Crate 1.1), with W3C PROV terms for the calibration.

Written as plain JSON-LD: it is one document of a dozen kinds of entities, and a library for it would be the only one that the place of
export needs beside ours. What others read it with is what the tests read and validate it with.
"""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.calibrations import pinned, read_snapshot
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.reproduce.package import INSIDE, METADATA, Described

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
_KINDS = {
    ".py": "text/x-python",
    ".ipynb": "application/x-ipynb+json",
    ".toml": "application/toml",
    ".jsonl": "application/jsonl",
    ".gz": "application/gzip",
}
_STATUS = {State.COMPLETED: "CompletedActionStatus"}
_ABOUT = {
    "spec.json": "What was asked for",
    "runtime.json": "Python, packages and machine of the place of submission",
    "pylock.toml": "Lock of the environment (PEP 751)",
    "script": "What the site scheduler ran",
    "outputs.ipynb": "Outputs as a notebook",
    "outcome.json": "How the attempt ended",
}


def crate_metadata(
    folder: JobFolder,
    record: JobRecord,
    files: Sequence[Described],
    runtime: Mapping[str, Any],
    *,
    licence: str,
    version: str,
) -> bytes:
    """`licence` is an address or a sentence."""
    workflow = f"{INSIDE}/{(folder.notebook if record.spec.kind == 'notebook' else folder.cell).name}"
    graph = [
        _descriptor(),
        _root(record, files, workflow, licence),
        *(
            {"@id": address, "@type": "CreativeWork", "name": name, "version": address.rpartition("/")[2]}
            for address, name in PROFILES.items()
        ),
        *_licence(licence),
        _language(runtime),
        {
            "@id": "#qhub_ext",
            "@type": "SoftwareApplication",
            "name": "qhub_ext",
            "version": version,
            "softwareVersion": version,
            "url": "https://pypi.org/project/qhub-ext/",
        },
        {"@id": "#agent", "@type": "Person", "name": record.spec.owner},
        {
            "@id": "#device",
            "@type": ["Thing", "prov:Entity"],
            "name": record.spec.device,
            "description": f"Run on the tier {record.spec.tier} of this device.",
        },
        _action(folder, record, files, workflow),
        *(_file(one, folder, workflow) for one in files),
    ]
    document = {
        "@context": [
            CONTEXT,
            {"prov": "http://www.w3.org/ns/prov#", "sha256": "https://w3id.org/ro/terms/workflow-run#sha256"},
        ],
        "@graph": graph,
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "replace")


def _descriptor() -> dict[str, Any]:
    conforms = [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"}]
    return {"@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": conforms}


def _root(record: JobRecord, files: Sequence[Described], workflow: str, licence: str) -> dict[str, Any]:
    spec = record.spec
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Job {spec.id}: {spec.name}",
        "description": f"A quantum {spec.kind} that ran on the tier {spec.tier} for {spec.device}, with what it takes to run it again.",
        "datePublished": _utc(record.attempt.ended_at or spec.created_at),
        "license": {"@id": _licence_id(licence)},
        "conformsTo": [{"@id": address} for address in PROFILES],
        "mainEntity": {"@id": workflow},
        "mentions": {"@id": "#run"},
        "hasPart": [{"@id": one.inside} for one in files],
    }


def _licence_id(licence: str) -> str:
    return licence if "://" in licence else "#licence"


def _licence(licence: str) -> list[dict[str, Any]]:
    told = {"name": licence} if "://" in licence else {"name": "Licence", "description": licence}
    return [{"@id": _licence_id(licence), "@type": "CreativeWork", **told}]


def _language(runtime: Mapping[str, Any]) -> dict[str, Any]:
    version = str(runtime.get("python", ""))
    return {
        "@id": "#python",
        "@type": "ComputerLanguage",
        "name": "Python",
        "identifier": {"@id": "https://www.python.org/"},
        "url": {"@id": "https://www.python.org/"},
        "version": version,
    }


def _action(folder: JobFolder, record: JobRecord, files: Sequence[Described], workflow: str) -> dict[str, Any]:
    """The run: what it used, and what came of it."""
    attempt = folder.latest_attempt()
    made = "" if attempt is None else f"{INSIDE}/{attempt.path.relative_to(folder.path).as_posix()}/"
    used = [
        one.inside
        for one in files
        if one.inside != workflow and not one.inside.startswith((f"{INSIDE}/attempts/", f"{INSIDE}/elements/"))
    ]
    calibrations = [inside for inside in used if inside.startswith(f"{INSIDE}/calibration/")]
    failed = record.state is not State.COMPLETED
    return {
        "@id": "#run",
        "@type": ["CreateAction", "prov:Activity"],
        "name": f"Run of job {record.id}",
        "instrument": {"@id": workflow},
        "agent": {"@id": "#agent"},
        "startTime": _utc(record.attempt.running_at or record.spec.created_at),
        "endTime": _utc(record.attempt.ended_at or record.spec.created_at),
        "actionStatus": {"@id": f"http://schema.org/{_STATUS.get(record.state, 'FailedActionStatus')}"},
        **({"error": record.attempt.message} if failed and record.attempt.message else {}),
        "object": [{"@id": inside} for inside in used],
        "result": [{"@id": one.inside} for one in files if made and one.inside.startswith(made)],
        "prov:used": [{"@id": inside} for inside in calibrations],
        "prov:wasAssociatedWith": {"@id": "#qhub_ext"},
    }


def _file(one: Described, folder: JobFolder, workflow: str) -> dict[str, Any]:
    name = one.inside.removeprefix(f"{INSIDE}/")
    base = name.rpartition("/")[2]
    suffix = f".{base.rpartition('.')[2]}" if "." in base else ""
    kind = _KINDS.get(suffix) or mimetypes.guess_type(base)[0] or "application/octet-stream"
    entity: dict[str, Any] = {
        "@id": one.inside,
        "@type": "File",
        "name": name,
        "contentSize": str(one.size),
        "encodingFormat": kind,
        "sha256": one.sha256,
    }
    if base in _ABOUT:
        entity["description"] = _ABOUT[base]
    if one.inside == workflow:
        entity["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
        entity["name"] = "The cell" if base == folder.cell.name else "The notebook"
        entity["programmingLanguage"] = {"@id": "#python"}
    if name.startswith("calibration/") and ".document." not in base:
        entity |= _provenance(folder, base)
    return entity


def _provenance(folder: JobFolder, base: str) -> dict[str, Any]:
    path = next((path for path in pinned(folder).values() if path.name == base), None)
    if path is None:
        return {}
    snapshot = read_snapshot(path)
    return {
        "@type": ["File", "prov:Entity"],
        "description": f"Calibration snapshot of {snapshot.device}" + (" (simulated)" if snapshot.synthetic else ""),
        "identifier": snapshot.id,
        "prov:generatedAtTime": snapshot.taken_at,
        "prov:wasAttributedTo": {"@id": "#device"},
        "prov:hadPrimarySource": snapshot.source,
    }


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
