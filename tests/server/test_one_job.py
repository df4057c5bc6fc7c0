"""Everything that can be asked about one job, of real ones."""

from __future__ import annotations

import asyncio
import io
import os
import zipfile

import pytest

from qhub_ext.capture.sweep import Sweep
from qhub_ext.job.identity import short_id
from qhub_ext.jobfolder.journal import append_once
from tests.server.conftest import until

SAMPLED = """
from qiskit import QuantumCircuit
from qhub_ext import Sampler, backend
bell = QuantumCircuit(2)
bell.sx(0)
bell.measure_all()
counts = Sampler().run([bell]).result()[0].data.meas.get_counts()
unfit = (x for x in [])
"""


async def test_detail_and_trace_of_a_sampler_job_tell_what_went_in_what_came_out_and_where_the_time_went(
    api, submit, ended
):
    job = submit(SAMPLED + "print(greeting)", {"greeting": "hello"}, tier="emulation", device="manila", shots=50)
    told = await ended(job)
    assert told["state"] == "completed", told
    detail = await api.get(f"jobs/{job.id}/detail")
    assert [(c["name"], c["type"]) for c in detail["captured"]] == [("greeting", "str")]
    assert "counts" in [r["name"] for r in detail["returned"]]
    assert "generator" in detail["absent"]["unfit"]
    assert detail["runtime"]["packages"]["qiskit"]
    assert [t["primitive"] for t in detail["tasks"]] == ["sampler"]
    assert detail["calibration"]["device"] == "manila"
    assert detail["calibration"]["snapshot_id"].startswith("sha256:")
    drawn = detail["calibration"]["map"]
    assert [q["index"] for q in drawn["qubits"]] == [0, 1, 2, 3, 4]
    assert [q["index"] for q in drawn["qubits"] if q["used"]] == [0, 1]
    assert all(0 < q["x"] < drawn["width"] and 0 < q["y"] < drawn["height"] for q in drawn["qubits"])
    assert {(e["a"], e["b"]) for e in drawn["edges"]} == {(0, 1), (1, 2), (2, 3), (3, 4)}
    trace = await api.get(f"jobs/{job.id}/trace")
    assert {s["kind"] for s in trace["spans"]} >= {
        "submit",
        "queue",
        "start",
        "environment",
        "classical",
        "quantum",
        "return",
    }
    by_name = {s["name"]: s for s in trace["spans"]}
    assert by_name["simulate"]["depth"] == by_name["sampler"]["depth"] + 1 == by_name["cell"]["depth"] + 2
    assert by_name["sampler"]["detail"].startswith("1 circuit")
    assert by_name["put away"]["log_line"] == 1
    assert sum(p["seconds"] for p in trace["breakdown"]) == pytest.approx(trace["end"] - trace["begin"], abs=1e-3)
    assert trace["begin"] <= told["created_at"] <= trace["begin"] + 60
    assert trace["begin"] < told["ended_at"] < trace["end"] + 60


async def test_script_and_events_are_told_as_they_lie_in_the_folder(api, submit, ended):
    job = submit("# çà\nprint(1)")
    await ended(job)
    found = await api.get(f"jobs/{job.id}/script")
    assert found["cell"] == "# çà\nprint(1)"
    assert "qhub_ext" in found["script"]
    events = await api.get(f"jobs/{job.id}/events")
    states = [e["state"] for e in events["events"] if e["kind"] == "state"]
    assert states[:2] == ["created", "submitted"]
    assert [e["at"] for e in events["events"]] == sorted(e["at"] for e in events["events"])
    again = await api.get(f"jobs/{job.id}/events", after=events["seq"])
    assert (again["events"], again["seq"]) == ([], events["seq"])
    append_once(job.folder.journal("late"), "note", text="late", at=1.0)
    assert len((await api.get(f"jobs/{job.id}/events", after=events["seq"]))["events"]) == events["seq"] + 1


async def test_an_array_tells_its_elements(api, submit, ended):
    job = submit("print(theta)", sweeps=(Sweep("theta", (1, 2, 3)),))
    told = await ended(job)
    assert (told["size"], told["done"]) == (3, 3)
    element = await api.get(f"jobs/{job.id}.2")
    assert (element["short_id"], element["element"]) == (f"{short_id(job.id)}.2", 2)
    outputs = await api.get(f"jobs/{job.id}/outputs")
    assert "".join(o["text"] for o in outputs["outputs"]) == "1\n2\n3\n"
    trace = await api.get(f"jobs/{job.id}/trace")
    assert sorted(s["name"] for s in trace["spans"]) == [f"{short_id(job.id)}.{n}" for n in range(3)]
    assert (await api.get(f"jobs/{job.id}/detail"))["tasks"] == []
    assert (await api.get(f"jobs/{job.id}.3")).status == 404


async def test_a_running_job_has_a_trace_that_goes_on(api, submit):
    job = submit("import time; time.sleep(100)")

    async def begun():
        found = await api.get(f"jobs/{job.id}/trace")
        return found if found["spans"] and found["spans"][-1]["kind"] in ("start", "classical") else None

    trace = await until(begun, what="a span that goes on")
    assert trace["end"] is None
    assert trace["spans"][-1]["end"] is None
    assert trace["note"]


async def test_a_log_is_followed_to_the_end_of_the_job(api, submit, jp_fetch, tmp_path):
    go = tmp_path / "go"
    job = submit(
        f"import os, time\nprint('line 0', flush=True)\nwhile not os.path.exists({str(go)!r}): time.sleep(.05)\nprint('line 1')"
    )
    pieces = []

    def told(piece: bytes) -> None:
        pieces.append(piece.decode())
        go.touch()

    answer = await jp_fetch(
        "qhub_ext", f"jobs/{job.id}/logs", params={"follow": 1}, streaming_callback=told, request_timeout=120
    )
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert pieces[0] == "line 0\n", "told while it runs, which waits for that"
    assert "".join(pieces[1:]) == "line 1\n"
    assert (await api.get(f"jobs/{job.id}"))["state"] == "completed"


async def test_following_ends_when_the_client_goes_away(api, submit, jp_fetch):
    job = submit("import time\nwhile True:\n    print('x', flush=True)\n    time.sleep(.05)")

    async def running():
        return (await api.get(f"jobs/{job.id}"))["state"] == "running"

    await until(running, what="its start")
    with pytest.raises(Exception, match="imeout"):
        await jp_fetch("qhub_ext", f"jobs/{job.id}/logs", params={"follow": 1}, request_timeout=1)

    async def nobody_follows():
        return not [
            t for t in asyncio.all_tasks() if "LogsHandler" in repr(t.get_coro()) or ".follow" in repr(t.get_coro())
        ]

    await until(nobody_follows, what="the end of the stream")
    assert (await api.get(f"jobs/{job.id}"))["state"] == "running"


async def test_a_second_attempt_is_followed_under_a_line_of_its_own(api, submit, ended, jp_fetch):
    job = submit("print('once')")
    await ended(job)
    job.requeue()
    await ended(job)
    assert (await api.get(f"jobs/{job.id}/logs", attempt=1)).body == "once\n"
    assert (await api.get(f"jobs/{job.id}/logs", attempt=3)).status == 404
    assert (await api.get(f"jobs/{job.id}/logs", follow=1)).body == "once\n"


async def test_the_archive_holds_the_folder_and_follows_no_link(api, submit, ended, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("not yours")
    job = submit("print('x' * 1000000)")
    await ended(job)
    (job.folder.path / "link").symlink_to(secret)
    (job.folder.path / "linked").symlink_to(tmp_path)
    os.mkfifo(job.folder.path / "pipe")
    answer = await api.send("GET", f"jobs/{job.id}/archive", raw=True)
    assert answer.headers["Content-Type"] == "application/zip"
    assert short_id(job.id) in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        names = {n.partition("/")[2] for n in archive.namelist()}
        assert {"cell.py", "spec.json", "attempts/1/outcome.json", "attempts/1/outputs.jsonl"} <= names
        assert not any("link" in n or "pipe" in n for n in names)
        assert len(archive.read(f"qhub-{short_id(job.id)}/attempts/1/outputs.jsonl")) > 1000000


async def test_the_doctor_is_asked(api):
    findings = (await api.get("doctor"))["findings"]
    assert {"level", "what", "advice", "facts"} == set(findings[0])
    assert "ok" in [f["level"] for f in findings]


async def test_the_trace_is_a_figure_too_and_stands_beside_that_of_another_job(api, submit, ended):
    one, other = submit("x = 1", tier="local"), submit("import time\ntime.sleep(1)", tier="local")
    for job in (one, other):
        assert (await ended(job))["state"] == "completed"
    trace, figure = await api.get(f"jobs/{one.id}/trace"), await api.get(f"jobs/{one.id}/trace/figure")
    assert sum(len(bar["base"]) for bar in figure["data"] if "base" in bar) == sum(len(s["segments"]) for s in trace["spans"])  # fmt: skip
    assert {bar["name"] for bar in figure["data"]} >= {"queue", "classical", "site queue"}
    assert short_id(one.id) in figure["layout"]["title"]["text"]
    told = await api.get(f"jobs/{one.id}/trace/beside/{other.id}")
    assert [job["id"] for job in told["jobs"]] == [one.id, other.id]
    for place, job in enumerate(told["jobs"]):
        assert sum(part["seconds"][place] for part in told["parts"]) == pytest.approx(job["wall_s"], abs=1e-6)
    cell = next(span for span in told["spans"] if span["name"] == "cell")
    assert cell["counts"] == [1, 1]
    assert cell["seconds"][1] >= 1
    again = await api.get(f"jobs/{one.id}/trace/beside/{one.id}")
    assert (again.status, again["message"]) == (400, "A job is not compared with itself.")
    assert (await api.get(f"jobs/{one.id}/trace/beside/01kayt4w2-7qm3xd")).status == 404
