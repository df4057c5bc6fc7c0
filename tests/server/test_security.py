"""Who may what: every verb asks for itself, and whatever a stranger writes into an address is not there."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from qhub_ext.server.openapi import OPERATIONS, Operation
from tests.server.conftest import Api
from tests.server.policy import Policy

UNKNOWN = "01kayt4w2-7qm3xd"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e\"'&amp; ${jndi} ../../\n😀\ud800 \\"
TOLD = HOSTILE.replace("\ud800", "�")
"""Half a pair is no letter, and UTF-8 cannot carry it."""

BODIES: dict[str, Any] = {
    "jobs": {"source": "1"},
    "actions": {"verb": "cancel", "ids": [UNKNOWN]},
    "jobs/{job}/rerun": {},
    "jobs/{job}/{verb}": {},
    "tutorials": {},
}


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any]) -> dict[str, Any]:
    jp_server_config["ServerApp"]["authorizer_class"] = "tests.server.policy.Policy"
    return jp_server_config


@pytest.fixture
def policy(jp_serverapp) -> Policy:
    return jp_serverapp.authorizer


def address(operation: Operation, job: str = UNKNOWN, other: str = UNKNOWN) -> str:
    return operation.template.format(job=job, other=other, device="kingston", verb="cancel")


async def send(api: Api, operation: Operation, *jobs: str, **options: Any):
    if operation.method == "post":
        options["body"] = json.dumps(BODIES[operation.template])
    return await api.send(operation.method.upper(), address(operation, *jobs), **options)


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.template}"


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_every_verb_asks_the_authorizer_and_obeys_it(api, policy, place, operation):
    policy.allow = lambda action, resource: False
    answer = await send(api, operation)
    assert answer.status == 403
    assert answer["message"]
    assert answer["cause"]
    (asked,) = policy.asked
    action, resource = asked
    assert (
        resource == "qhub_ext:fleet"
        if operation.template == "fleet"
        else resource in ("qhub_ext:jobs", "qhub_ext:devices", "qhub_ext:site")
    )
    assert (action == "read") is (operation.method == "get")
    assert place.shelf.ids() == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_every_verb_wants_a_login(api, place, operation):
    answer = await send(api, operation, headers={"Authorization": "token wrong"})
    assert answer.status == 403
    assert answer["message"]
    assert place.shelf.ids() == []


async def test_a_read_only_user_sees_everything_and_changes_nothing(api, policy, submit, ended, place):
    """One job that waits, so that each action would be possible."""
    first = submit("import time; time.sleep(300)", cpus=2)
    job = submit("1", cpus=2)
    policy.allow = lambda action, resource: action == "read"
    assert (await api.get("status"))["writable"] is False
    before = {j["id"]: j["state"] for j in (await api.get("jobs"))["jobs"]}
    for operation in OPERATIONS:
        raw = operation.answer == "application/zip"
        answer = await send(api, operation, job.id, first.id, raw=raw)
        assert answer.status == (200 if operation.method == "get" else 403), (operation, answer)
    for verb in ("cancel", "hold", "release", "requeue", "rerun"):
        assert (await api.post(f"jobs/{job.id}/{verb}")).status == 403
    assert len(place.shelf.ids()) == 2
    assert place.shelf.record(job.id).requests == ()
    assert {j["id"] for j in (await api.get("jobs"))["jobs"]} == set(before)


async def test_an_action_that_two_resources_share_is_told_apart(api, policy):
    """A bare `@authorized` remembers the first resource that it met."""
    policy.allow = lambda action, resource: resource == "qhub_ext:devices"
    assert (await api.get("devices/manila/calibration")).status == 200
    assert (await api.get("jobs")).status == 403
    assert (await api.get("devices/manila/calibration")).status == 200


async def test_a_cookie_without_its_xsrf_token_submits_nothing(jp_serverapp, http_server_client, jp_base_url, place):
    token = jp_serverapp.identity_provider.token
    page = await http_server_client.fetch(f"{jp_base_url}?token={token}", follow_redirects=False, raise_error=False)
    cookies = "; ".join(c.partition(";")[0] for c in page.headers.get_list("Set-Cookie"))
    assert "username" in cookies
    options = {"headers": {"Cookie": cookies}, "raise_error": False}
    assert (await http_server_client.fetch(f"{jp_base_url}qhub_ext/status", **options)).code == 200
    body = json.dumps({"source": "1"})
    answer = await http_server_client.fetch(f"{jp_base_url}qhub_ext/jobs", method="POST", body=body, **options)
    assert answer.code == 403
    assert place.shelf.ids() == []


STRANGE = {
    "up": "..%2f..%2fetc%2fpasswd",
    "up and encoded again": "..%252f..%252fetc",
    "null": "%00",
    "id and null": f"{UNKNOWN}%00",
    "id and up": f"{UNKNOWN}%2f..%2f..",
    "long": "a" * 10_000,
    "long element": f"{UNKNOWN}.{'1' * 5000}",
    "other letters": quote("ж" * 20),
    "not utf-8": "%ff%fe",
    "markup": quote("<img src=x onerror=alert(1)>", safe=""),
    "space": "%20",
    "minus": "-1",
    "dots": "%2e%2e",
    "dot file": ".calibration",
}


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE.keys())
async def test_what_can_be_no_name_is_not_there_whatever_is_asked_of_it(
    http_server_client, jp_base_url, jp_auth_header, text
):
    for operation in OPERATIONS:
        if "{job}" not in operation.template and "{device}" not in operation.template:
            continue
        page = operation.template.replace("{job}", text).replace("{device}", text).replace("{verb}", "cancel")
        body = json.dumps(BODIES[operation.template]) if operation.method == "post" else None
        answer = await http_server_client.fetch(
            f"{jp_base_url}qhub_ext/{page}",
            method=operation.method.upper(),
            body=body,
            headers=jp_auth_header,
            raise_error=False,
        )
        assert answer.code in (400, 404), (operation, answer.body[:500])
        if b"qhub" in answer.body or b"cause" in answer.body:
            told = json.loads(answer.body)
            assert len(told["message"]) < 500
            assert "Traceback" not in answer.body.decode()


async def test_a_hostile_name_travels_as_it_is(api, submit, ended):
    job = submit("print(1)", name=HOSTILE)
    told = await ended(job)
    assert told["name"] == TOLD
    assert told.headers["Content-Type"] == "application/json"
    assert "default-src 'none'" in told.headers["Content-Security-Policy"]
    assert told.headers["X-Content-Type-Options"] == "nosniff"
    assert (await api.get("jobs", text="onerror"))["jobs"][0]["name"] == TOLD
    assert (await api.get("jobs", text=HOSTILE[:28]))["total"] == 1


async def test_hostile_outputs_are_text_for_nobody_to_run(api, submit, ended):
    job = submit("print('<script>alert(1)</script>\\x1b]0;owned\\x07')")
    await ended(job)
    answer = await api.get(f"jobs/{job.id}/logs")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>" in answer.body


async def test_a_nested_body_and_a_huge_number_are_400(api):
    for body in (
        "[" * 100_000,
        '{"a":' * 100_000,
        "nul",
        '"text"',
        "\xff",
        '{"verb": "cancel", "ids": [NaN]}',
        '{"source": 1e999}',
    ):
        answer = await api.send("POST", "jobs", body=body)
        assert answer.status == 400, (body[:20], answer)
        assert (await api.send("POST", "actions", body=body)).status == 400


async def test_other_verbs_of_http_are_not_there(api):
    for method in ("PUT", "DELETE", "PATCH"):
        answer = await api.send(method, "jobs", **({} if method == "DELETE" else {"body": "{}"}))
        assert answer.status == 405, answer
        assert answer["message"]
