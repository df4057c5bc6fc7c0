"""POST jobs and reruns: real jobs out of JSON, exactly one for each key, and only files below the server's root."""

from __future__ import annotations

import asyncio
import json
import os
import sys

import pytest

from qhub_ext.job.identity import short_id
from qhub_ext.jobfolder.receipts import read_receipt


async def test_a_source_becomes_a_job_with_its_options(api, place, ended):
    answer = await api.post(
        "jobs", source="print(2 + 2)", name="four", shots=100, time="2m", cpus=1, memory=512, seed=7
    )
    assert answer.status == 201
    assert answer.headers["Location"].endswith(f"/qhub_ext/jobs/{answer['id']}")
    assert answer["short_id"] == short_id(answer["id"])
    spec = place.spec(answer["id"])
    assert (spec.name, spec.kind, spec.shots, spec.time_s, spec.memory_mb, spec.seed) == (
        "four",
        "cell",
        100,
        120,
        512,
        7,
    )
    listed = await api.get("jobs")
    assert [j["id"] for j in listed["jobs"]] == [answer["id"]]
    await ended(place.job(answer["id"]))
    assert await logs(api, answer["id"]) == "4\n"


async def logs(api, job_id: str) -> str:
    return (await api.get(f"jobs/{job_id}/logs")).body


async def test_a_number_of_time_is_seconds_and_pairs_are_an_object(api, place):
    answer = await api.post("jobs", source="1", time=90, site_option={"nice": "5"}, cold=True)
    spec = place.spec(answer["id"])
    assert (spec.time_s, spec.site_options, spec.cold) == (90, {"nice": "5"}, True)


async def test_a_script_below_the_root_runs_in_its_own_folder(api, place, ended, jp_root_dir):
    folder = jp_root_dir / "work here"
    folder.mkdir()
    (folder / "beside.txt").write_text("found")
    (folder / "run.py").write_text("print(open('beside.txt').read(), __file__)")
    answer = await api.post("jobs", path="work here/run.py")
    assert answer.status == 201, answer
    spec = place.spec(answer["id"])
    assert (spec.kind, spec.name, spec.file) == ("script", "run.py", str(folder / "run.py"))
    await ended(place.job(answer["id"]))
    assert await logs(api, answer["id"]) == f"found {folder / 'run.py'}\n"


async def test_a_notebook_below_the_root_becomes_a_job(api, place, ended, jp_root_dir):
    cells = [
        {"cell_type": "code", "id": f"c{n}", "metadata": {}, "outputs": [], "execution_count": None, "source": s}
        for n, s in enumerate(["x = 5", "print(x * x)"])
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (jp_root_dir / "two.ipynb").write_text(json.dumps(notebook))
    answer = await api.post("jobs", path="two.ipynb", kind="notebook")
    assert place.spec(answer["id"]).kind == "notebook"
    assert (await ended(place.job(answer["id"])))["state"] == "completed"
    assert "25" in await logs(api, answer["id"])


@pytest.mark.parametrize(
    "path",
    ["../outside.py", "a/../../outside.py", "/../outside.py", "link.py", "linked/outside.py", "", ".", "none.py"],
)
async def test_a_path_outside_of_the_root_is_refused(api, jp_root_dir, place, path):
    outside = jp_root_dir.parent / "outside.py"
    outside.write_text("print('never')")
    (jp_root_dir / "link.py").symlink_to(outside)
    (jp_root_dir / "linked").symlink_to(jp_root_dir.parent)
    answer = await api.post("jobs", path=path)
    assert answer.status == 400
    assert answer["message"]
    assert place.shelf.ids() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"source": ""},
        {"source": 5},
        {"source": "1", "path": "a.py"},
        {"source": "1", "kind": "program"},
        {"source": "1", "kind": ["cell"]},
        {"source": "1", "tier": "moon"},
        {"source": "1", "tier": "local,emulation"},
        {"source": "1", "device": "atlantis"},
        {"source": "1", "device": "a" * 10_000},
        {"source": "1", "device": "../../etc"},
        {"source": "1", "shots": 0},
        {"source": "1", "shots": 1.5},
        {"source": "1", "shots": "many"},
        {"source": "1", "time": "soon"},
        {"source": "1", "after": ["zzzzzz"]},
        {"source": "1", "wait": True},
        {"source": "1", "in": ["x"]},
        {"source": "1", "frobnicate": 1},
        {"source": "1", "name": {"a": [None]}},
        {"source": "1", "site-option": "no pair"},
        {"source": "print(not_there)"},
        {"source": "def ("},
        {"source": "1\0"},
        {"source": "1", "kind": "notebook"},
    ],
)  # fmt: skip
async def test_a_slip_in_a_submission_is_400_and_nothing_is_submitted(api, place, body):
    answer = await api.post("jobs", **body)
    assert answer.status == 400, answer
    assert answer["audience"] == "you"
    assert place.shelf.ids() == []


async def test_the_same_key_is_the_same_job(api, place):
    key = {"Idempotency-Key": "one"}
    first = await api.post("jobs", headers=key, source="1", name="once")
    again = await api.post("jobs", headers=key, source="1", name="once")
    assert (first.status, again.status) == (201, 200)
    assert first["id"] == again["id"]
    other = await api.post("jobs", headers=key, source="2", name="once")
    assert other.status == 409
    assert other["id"] == first["id"]
    assert (await api.post("jobs", headers={"Idempotency-Key": "two"}, source="1")).status == 201
    assert len(place.shelf.ids()) == 2


async def test_ten_requests_with_one_key_at_the_same_time_are_one_job(api, place):
    answers = await asyncio.gather(*(api.post("jobs", headers={"Idempotency-Key": "k"}, source="1") for _ in range(10)))
    assert len({a["id"] for a in answers}) == 1
    assert sorted(a.status for a in answers) == [200] * 9 + [201]
    assert len(place.shelf.ids()) == 1


async def test_a_key_whose_submission_never_came_to_a_folder_can_be_used_again(api, place):
    key = {"Idempotency-Key": "k"}
    assert (await api.post("jobs", headers=key, source="1", cpus=100000)).status >= 400
    assert (await api.post("jobs", headers=key, source="1")).status == 201
    receipt = read_receipt(place.shelf.path, "k")
    assert receipt is not None
    assert place.shelf.ids() == [receipt.job_id]


async def test_a_key_that_is_too_long_is_refused(api):
    assert (await api.post("jobs", headers={"Idempotency-Key": "k" * 201}, source="1")).status == 400


async def test_a_rerun_is_a_new_job_of_the_same_bundle(api, place, submit, ended):
    job = submit("print(word * n)", {"word": "ab", "n": 3}, name="thrice", shots=10, seed=4)
    await ended(job)
    answer = await api.post(f"jobs/{job.id}/rerun")
    assert answer.status == 201
    assert answer["id"] != job.id
    told = await ended(place.job(answer["id"]))
    assert told["state"] == "completed"
    assert told["rerun_of"] == job.id
    assert await logs(api, answer["id"]) == "ababab\n"
    old, new = place.spec(job.id), place.spec(answer["id"])
    same = ("name", "tier", "device", "shots", "seed", "time_s", "cpus", "memory_mb", "python", "directory")
    assert [getattr(old, n) for n in same] == [getattr(new, n) for n in same]


async def test_a_rerun_may_go_to_another_tier_and_device(api, place, submit, ended):
    job = submit("1")
    await ended(job)
    answer = await api.post(f"jobs/{job.id}/rerun", tier="emulation", device="ibm_fez")
    spec = place.spec(answer["id"])
    assert (spec.tier, spec.device) == ("emulation", "fez")
    slips = (
        *({"tier": "moon"}, {"device": "atlantis"}, {"shots": 5}),
        *({"snapshot": "yesterday"}, {"snapshot": ["same"]}, {"runtime": "x" * 5000}, {"runtime": 3}),
        {"tier": "qpu", "snapshot": "same"},
    )
    for body in slips:
        answer = await api.post(f"jobs/{job.id}/rerun", **body)
        assert answer.status == 400, (body, answer)
        assert len(answer["message"]) < 200
    assert (await api.post("jobs/01kayt4w2-7qm3xd/rerun")).status == 404


async def test_a_rerun_takes_whatever_the_verb_takes(api, place, submit, ended):
    from qhub_ext.verbs.again import rerun_verb

    told = (await api.get("openapi.json"))["components"]["schemas"]["Rerun"]["properties"]
    assert set(told) | {"job", "as_json"} == {parameter.name for parameter in rerun_verb.params}
    job = submit("1", tier="emulation", device="manila")
    await ended(job)
    answer = await api.post(f"jobs/{job.id}/rerun", snapshot="latest", runtime="current")
    assert answer.status == 201
    spec = place.spec(answer["id"])
    assert (spec.snapshot, spec.python) == ("", sys.executable)
    answer = await api.post(f"jobs/{job.id}/rerun", snapshot="same")
    assert answer.status == 409, "it ran no quantum task, so that no calibration is known"
    assert "no calibration that is known" in answer["message"]


async def test_a_rerun_takes_no_values_from_a_folder_that_others_can_write(api, place, submit, ended):
    job = submit("print(a)", {"a": 1})
    await ended(job)
    os.chmod(job.folder.path, 0o777)
    answer = await api.post(f"jobs/{job.id}/rerun")
    assert answer.status == 409
    assert "written to by others" in answer["message"]
    assert answer["audience"] == "you"
    assert len(place.shelf.ids()) == 1


async def test_an_array_runs_again_as_a_whole(api, place, submit, ended):
    from qhub_ext.capture.sweep import Sweep

    job = submit("print(theta)", sweeps=(Sweep("theta", (1, 2)),))
    await ended(job)
    assert (await api.post(f"jobs/{job.id}.0/rerun")).status == 400
    answer = await api.post(f"jobs/{job.id}/rerun")
    assert answer.status == 201
    told = await ended(place.job(answer["id"]))
    assert (told["size"], told["done"], told["state"]) == (2, 2, "completed")
    assert await logs(api, f"{answer['id']}.1") == "2\n"
