"""The shapes of answers and bodies, as JSON Schema (2020-12) for the OpenAPI document. Moments are s since 1970 UTC."""

from __future__ import annotations

from typing import Any

from qhub_ext.job.context import TIERS
from qhub_ext.job.state import State

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES_NO: Schema = {"type": "boolean"}
NUMBER: Schema = {"type": "number"}
ANYTHING: Schema = {"type": "object"}
MOMENT: Schema = {"type": "number", "description": "s since 1970 UTC"}
STATE: Schema = {"type": "string", "enum": [state.value for state in State]}
TIER: Schema = {"type": "string", "enum": list(TIERS)}
JOB_ID: Schema = {"type": "string", "pattern": r"^[0-9a-hjkmnp-tv-z]{9}-[0-9a-hjkmnp-tv-z]{6}(\.[0-9]{1,6})?$"}
ACTION: Schema = {"type": "string", "enum": ["cancel", "hold", "release", "requeue"]}


def maybe(schema: Schema) -> Schema:
    """Or null, where that is not known or did not come to pass."""
    return {**schema, "type": [schema["type"], "null"]} if "type" in schema else {"oneOf": [schema, {"type": "null"}]}


def many(schema: Schema) -> Schema:
    return {"type": "array", "items": schema}


def each(schema: Schema) -> Schema:
    """An object with any keys."""
    return {"type": "object", "additionalProperties": schema}


def thing(*optional: str, **properties: Schema) -> Schema:
    """All of these are there, but for the `optional` ones; later versions may add more."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "required": required, "properties": properties}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


FIGURE = thing(data=many(ANYTHING), layout=ANYTHING, config=ANYTHING)
"""What plotly draws."""
_MOMENTS: dict[str, Schema] = {
    "created_at": MOMENT,
    "submitted_at": maybe(MOMENT),
    "running_at": maybe(MOMENT),
    "ended_at": maybe(MOMENT),
}
_JOB: dict[str, Schema] = {
    "id": JOB_ID,
    "short_id": TEXT,
    "name": TEXT,
    "tier": TEXT,
    "device": TEXT,
    "site": TEXT,
    "state": STATE,
    "cause": maybe(TEXT),
    "message": TEXT,
    "reason": TEXT,
    "phase": TEXT,
    "phase_text": TEXT,
    "starts_by": maybe(MOMENT),
    **_MOMENTS,
    "size": maybe(COUNT),
    "done": maybe(COUNT),
    "as_of": maybe(MOMENT),
    "stale_since": maybe(MOMENT),
}
_COUNTS = {"type": "object", "propertyNames": STATE, "additionalProperties": COUNT}
_NAMED = thing("warnings", id=JOB_ID, short_id=TEXT, warnings=many(TEXT))
_ATTEMPT = thing(
    number=COUNT, state=STATE, queued_at=maybe(MOMENT), started_at=maybe(MOMENT), running_at=maybe(MOMENT),
    ended_at=maybe(MOMENT), reason=TEXT, word=TEXT, cause=maybe(TEXT), message=TEXT, advice=TEXT, phase=TEXT,
)  # fmt: skip
_QUBIT: dict[str, Schema] = {
    "index": COUNT, "x": NUMBER, "y": NUMBER, "t1_s": maybe(NUMBER), "t2_s": maybe(NUMBER), "readout_error": maybe(NUMBER),
    "one_qubit_error": maybe(NUMBER), "dated_at": maybe(MOMENT), "dead": YES_NO,
}  # fmt: skip
_EDGE: dict[str, Schema] = {"a": COUNT, "b": COUNT, "error": maybe(NUMBER), "dead": YES_NO, "gate": TEXT, "dated_at": maybe(MOMENT)}  # fmt: skip
_DRAWN: dict[str, Schema] = {"colour": {"type": "string", "pattern": "^#[0-9a-f]{6}$"}, "used": COUNT}
_CAPTURED = thing(name=TEXT, type=TEXT, summary=TEXT, bytes=COUNT)

SCHEMAS: dict[str, Schema] = {
    "Error": thing(
        "known_at", "refusals", "job", "id", "short_id",
        message=TEXT, advice=TEXT, cause=TEXT, audience={"type": "string", "enum": ["you", "site", "device", "us", "nobody"]},
        where=TEXT, transient=YES_NO, known_at=maybe(MOMENT), refusals=many(ref("Refusal")), job=ref("Summary"), id=JOB_ID, short_id=TEXT,
    ),
    "Refusal": thing(job_id=TEXT, why=TEXT),
    "Summary": thing(**_JOB),
    "Job": thing(
        **_JOB, started_at=maybe(MOMENT), waiting_s=maybe(NUMBER), running_s=maybe(NUMBER), site_id=maybe(TEXT),
        resource=TEXT, profile=TEXT, advice=TEXT, element=maybe(COUNT), attempts=many(_ATTEMPT), notes=many(TEXT),
        lines=many({"type": "array", "items": TEXT, "minItems": 2, "maxItems": 2}), folder=TEXT, requested=ANYTHING, rerun_of=TEXT,
        actions=many({"type": "string", "enum": [*ACTION["enum"], "rerun"]}),
    ),
    "Status": thing(
        version=TEXT, epoch=TEXT, seq=COUNT,
        site=thing(name=TEXT, as_of=maybe(MOMENT), stale_since=maybe(MOMENT)), broker=YES_NO,
        chosen=thing(tier=TIER, device=TEXT),
        tiers=many(thing(name=TIER, title=TEXT, open=YES_NO, why=TEXT, noise=TEXT)),
        counts=thing(running=COUNT, waiting=COUNT), writable=YES_NO,
    ),
    "Device": thing(
        name=TEXT, backend_name=TEXT, qubits=COUNT, family=TEXT, revision=TEXT, snapshot_at=TEXT, snapshot_id=TEXT,
        snapshot_age_s=NUMBER, synthetic=YES_NO, virtual=YES_NO, max_shots=COUNT, edges=COUNT, dead_edges=many(many(COUNT)), dead_qubits=many(COUNT),
        medians=each(maybe(NUMBER)), flags=many(TEXT),
        resource=maybe(
            thing(
                name=TEXT, type=TEXT, state=TEXT, queue=maybe(COUNT), trouble=TEXT, source=TEXT, next_calibration_at=maybe(MOMENT),
                windows_trouble=TEXT,
            )
        ),
    ),
    "Devices": thing(devices=many(ref("Device"))),
    "Calibration": thing(
        device=TEXT, snapshot_id=TEXT, snapshot_at=maybe(MOMENT), synthetic=YES_NO,
        qubits=many(thing(**_QUBIT)), edges=many(thing(**_EDGE)),
    ),
    "Queue": thing(
        entries=many(thing(
            job_id=TEXT, short_id=TEXT, site_id=TEXT, name=TEXT, owner=TEXT, mine=YES_NO, state=STATE, position=maybe(COUNT),
            submitted_at=maybe(MOMENT), started_at=maybe(MOMENT), reason=TEXT, tier=TEXT, device=TEXT, cpus=COUNT, time_s=maybe(COUNT),
            lane=TEXT, priority=maybe(COUNT), as_of=maybe(MOMENT), site=TEXT,
        )),
        as_of=maybe(MOMENT), stale_since=maybe(MOMENT),
    ),
    "Tasks": thing(
        tasks=many(thing(
            id=TEXT, job_id=TEXT, mine=YES_NO, user=TEXT, profile=TEXT, device=TEXT, state=TEXT, submitted_at=MOMENT,
            started_at=maybe(MOMENT), done=COUNT, of=COUNT, place=COUNT, why=TEXT,
            earliest=maybe(MOMENT), latest=maybe(MOMENT),
        )),
        total=COUNT, as_of=MOMENT,
    ),
    "Jobs": thing(jobs=many(ref("Summary")), total=COUNT, counts=_COUNTS, epoch=TEXT, seq=COUNT),
    "Changes": thing(epoch=TEXT, seq=COUNT, jobs=many(ref("Summary")), removed=many(JOB_ID), counts=_COUNTS, complete=YES_NO),
    "Events": thing(events=many(ANYTHING), seq=COUNT),
    "Outputs": thing("outputs", "unchanged", attempt=COUNT, seq=COUNT, final=YES_NO, unchanged=YES_NO, outputs=many(ANYTHING)),
    "Script": thing(script=TEXT, cell=TEXT, language=TEXT),
    "Detail": thing(
        captured=many(_CAPTURED), returned=many(_CAPTURED), absent=each(TEXT),
        runtime=thing("python", "platform", "packages", python=TEXT, platform=TEXT, packages=each(TEXT)), tasks=many(ANYTHING),
        calibration=maybe(thing(
            device=TEXT, snapshot_id=TEXT, snapshot_at=TEXT, synthetic=YES_NO, changed=YES_NO, medians=each(maybe(NUMBER)), edges=COUNT,
            dead_edges=COUNT,
            map=thing(width=COUNT, height=COUNT, qubits=many(thing(**_QUBIT, **_DRAWN)), edges=many(thing(**_EDGE, **_DRAWN))),
        )),
        attempts=many(_ATTEMPT),
    ),
    "Trace": thing(
        trace_id=TEXT, begin=maybe(MOMENT), end=maybe(MOMENT), note=TEXT, advice=TEXT,
        spans=many(thing(
            name=TEXT, kind=TEXT, begin=MOMENT, end=maybe(MOMENT), attempt=COUNT, depth=COUNT, count=COUNT, busy_s=MOMENT, longest_s=MOMENT,
            segments=many(many(MOMENT)), detail=TEXT, log_line=COUNT,
        )),
        breakdown=many(thing(part=TEXT, seconds=MOMENT)),
        profile=many(thing(function=TEXT, file=TEXT, line=COUNT, calls=maybe(COUNT), own_s=MOMENT, all_s=MOMENT)), profile_note=TEXT,
    ),
    "TraceFigure": FIGURE,
    "Comparison": thing(
        jobs=many(thing(id=JOB_ID, short_id=TEXT, name=TEXT, wall_s=MOMENT, ended=YES_NO)),
        parts=many(thing(part=TEXT, seconds=many(MOMENT))),
        spans=many(thing(name=TEXT, kind=TEXT, counts=many(COUNT), seconds=many(MOMENT))),
    ),
    "Explanation": thing(
        cause=TEXT, sentence=TEXT, audience=TEXT, advice=TEXT, word=TEXT, again={"type": "boolean"}, others=TEXT,
        findings=many(
            thing(
                rule=TEXT, cause=TEXT, sentence=TEXT, audience=TEXT, advice=TEXT, again={"type": "boolean"}, confidence=TEXT, word=TEXT,
                clues=many(thing(text=TEXT, where=TEXT, tab=TEXT)),
            )
        ),
    ),
    "Estimate": thing(earliest=maybe(MOMENT), latest=maybe(MOMENT), why=TEXT, as_of=MOMENT),
    "Fleet": thing(
        broker=YES_NO,
        overview=maybe(thing(
            since=MOMENT, until=MOMENT, by=TEXT, names=YES_NO, jobs=COUNT, failed=COUNT, users=COUNT,
            groups=many(thing(key=TEXT, id=TEXT, jobs=COUNT, failed=COUNT, users=COUNT, lost_s=NUMBER, wait_p50_s=NUMBER)),
            clusters=many(thing("verdict", id=TEXT, signature=TEXT, cause=TEXT, failed=COUNT, users=COUNT, mine=YES_NO, lost_s=NUMBER, kind=TEXT, sentence=TEXT, verdict=ANYTHING)),
            over_time=thing(begins=many(MOMENT), length_s=NUMBER, clusters=each(many(COUNT)), others=many(COUNT)),
        )),
        levels=maybe(thing(
            since=MOMENT, until=MOMENT, share=NUMBER, jobs=COUNT,
            profiles=many(thing(profile=TEXT, jobs=COUNT, target_s=maybe(NUMBER), within=maybe(NUMBER), median_s=maybe(NUMBER), p95_s=maybe(NUMBER), met=maybe(YES_NO))),
            devices=many(thing(device=TEXT, used_s=NUMBER, share=NUMBER)), lost=many(thing(cause=TEXT, seconds=NUMBER, jobs=COUNT)),
        )),
        figure=maybe(FIGURE),
    ),
    "Doctor": thing(findings=many(thing(level=TEXT, what=TEXT, advice=TEXT, facts=ANYTHING))),
    "Submission": {
        "type": "object",
        "description": "Either source or path, and the options of `%%qpu` by their names.",
        "properties": {
            "source": {**TEXT, "minLength": 1, "description": "Python, or the text of a notebook file."},
            "path": {**TEXT, "minLength": 1, "description": "A file below the server's root folder."},
            "kind": {"type": "string", "enum": ["cell", "script", "notebook"]},
            "name": {**TEXT, "minLength": 1, "maxLength": 200},
            "tier": TIER,
            "device": TEXT,
            "shots": {"type": "integer", "minimum": 1},
            "seed": COUNT,
            "time": {"type": ["string", "integer"], "description": "Such as 10m; a number is in s."},
            "memory": {"type": ["string", "integer"], "description": "Such as 2G; a number is in MiB."},
            "cpus": {"type": "integer", "minimum": 1},
            "profile": TEXT,
            "after": many(TEXT),
        },
        "oneOf": [{"required": ["source"]}, {"required": ["path"]}],
    },
    "Submitted": _NAMED,
    "Rerun": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "tier": TIER,
            "device": TEXT,
            "snapshot": {"type": "string", "enum": ["same", "latest"], "description": "The calibration: that of then, or the present one; default: that of then, where the tier simulates."},
            "runtime": {"type": "string", "enum": ["same", "current"], "description": "The environment: that of then, built again if need be, or the present one; default: the interpreter of then."},
        },
    },
    "Folder": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"path": {**TEXT, "minLength": 1, "description": "A folder below the server's root; default: qhub-tutorials."}},
    },
    "Tutorials": thing(path=TEXT, notebooks=many(thing(path=TEXT, title=TEXT, here=TEXT))),
    "Action": {
        **thing(verb=ACTION, ids={"type": "array", "items": JOB_ID, "minItems": 1, "maxItems": 1000}),
    },
    "Acted": thing(refusals=many(ref("Refusal")), job=ref("Summary")),
    "ActedOnMany": thing(refusals=many(ref("Refusal")), seq=COUNT),
}  # fmt: skip
