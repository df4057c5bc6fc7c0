"""Who calls over TCP: real MUNGE credentials, tokens, and what neither of them lets through."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from qhub_ext.broker.credentials import Tokens
from qhub_ext.broker.database import LedgerError
from qhub_ext.broker.ledger import Ledger
from qhub_ext.broker.membership import SlurmJobs
from qhub_ext.broker.profiles import DEFAULTS, Rule
from qhub_ext.errors import DeviceError, PreflightError, QhubError, SettingsError, UnknownNameError
from qhub_ext.tiers.qpu import munge
from qhub_ext.tiers.qpu.brokered import ask_broker
from tests.broker.conftest import Broker
from tests.broker.daemons import munge_daemon
from tests.slurm.packages import Unavailable

ME = pwd.getpwuid(os.getuid()).pw_name


@pytest.fixture(scope="module")
def munged() -> Iterator[Path]:
    try:
        with munge_daemon() as socket:
            yield socket
    except Unavailable as why:
        pytest.skip(str(why))


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"QHUB_BROKER_{name.upper()}", value)

    return change


def send(url: str, method: str, target: str, credential: str, body: bytes = b"") -> httpx.Response:
    headers = {"authorization": credential, "content-type": "application/json"}
    return httpx.request(method, url + target, headers=headers, content=body, trust_env=False, timeout=60)


def test_a_credential_says_who_made_it_and_for_what_and_is_good_once(munged: Path) -> None:
    made = munge.encode(b"for this", munged)
    assert munge.decode(made, munged) == (os.getuid(), b"for this")
    with pytest.raises(munge.MungeError, match="it was used before") as told:
        munge.decode(made, munged)
    assert told.value.refused
    with pytest.raises(munge.MungeError, match="refused"):
        munge.decode("MUNGE:forged:", munged)
    with pytest.raises(munge.MungeError, match="makes no credential"):
        munge.encode(b"x", munged.with_name("nowhere"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can call as somebody else")
def test_munge_and_tokens_over_tcp_on_a_real_broker(
    new_broker: Callable[..., Broker], munged: Path, settings_of: Callable[..., None], tmp_path: Path
) -> None:
    broker = new_broker(QHUB_BROKER_MUNGE_SOCKET=str(munged))
    url = broker.url
    settings_of(munge_socket=str(munged))

    # the client's own way: a credential for each request
    session = ask_broker(url, "POST", "/v1/sessions", {"profile": "test"})
    assert session["url"] == url
    assert ask_broker(url, "GET", "/v1/status")["devices"][0]["name"] == "kingston"
    assert ask_broker(url, "GET", "/v1/audit")["audit"] == [], "root is an operator wherever it comes from"

    # caught on the way: used again, or used for something else
    body = b'{"profile": "test"}'
    credential = f"MUNGE {munge.encode(munge.bound_to('POST', '/v1/sessions', body), munged)}"
    assert send(url, "POST", "/v1/sessions", credential, body).status_code == 201
    again = send(url, "POST", "/v1/sessions", credential, body)
    assert (again.status_code, "used before" in again.json()["message"]) == (401, True)
    for method, target, other in (("POST", "/v1/sessions", b'{"profile": "production"}'), ("POST", "/v1/tasks", body), ("GET", "/v1/audit", b"")):  # fmt: skip
        credential = f"MUNGE {munge.encode(munge.bound_to('POST', '/v1/sessions', body), munged)}"
        answer = send(url, method, target, credential, other)
        assert (answer.status_code, "another request" in answer.json()["message"]) == (401, True), target

    # somebody else is somebody else: the uid is the credential's
    command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "munge", f"--socket={munged}"]
    made = subprocess.run(command, input=munge.bound_to("GET", "/v1/audit", b""), capture_output=True, check=True, cwd="/")  # fmt: skip
    answer = send(url, "GET", "/v1/audit", f"MUNGE {made.stdout.decode().strip()}")
    assert (answer.status_code, "nobody is no operator" in answer.json()["message"]) == (403, True)
    for wrong in ("", "MUNGE", "MUNGE x", "Bearer", "Bearer qhub_guess", "Basic cm9vdDo=", "Bearer \x7f"):
        assert send(url, "GET", "/v1/status", wrong).status_code == 401, wrong

    # a token, made on the socket by an operator
    token = broker.ask("POST", "/v1/tokens", {"user": "nobody"})["token"]
    assert token not in (broker.directory / "ledger" / "tokens").read_text()
    assert (broker.directory / "ledger" / "tokens").stat().st_mode & 0o777 == 0o600
    kept = tmp_path / "token"
    kept.write_text(token + "\n")
    settings_of(token_file=str(kept))
    kept.chmod(0o644)
    with pytest.raises(SettingsError, match="can be read by others"):
        ask_broker(url, "GET", "/v1/status")
    kept.chmod(0o600)
    assert ask_broker(url, "GET", "/v1/tasks")["total"] == 0
    with pytest.raises(PreflightError, match="nobody is no operator"):
        ask_broker(url, "GET", "/v1/audit")
    broker.ask("DELETE", "/v1/tokens/nobody")
    with pytest.raises(PreflightError, match="The token is not valid"):
        ask_broker(url, "GET", "/v1/tasks")


def test_a_token_file_that_others_can_read_is_refused_and_a_digest_is_no_token(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens")
    first = tokens.make(ME)
    assert tokens.uid(first) == os.getuid()
    assert tokens.uid(tokens.make(ME)) == os.getuid()
    assert tokens.uid(first) is None, "one token per user"
    assert tokens.uid((tmp_path / "tokens").read_text().split()[1]) is None
    assert tokens.uid("") is None
    with pytest.raises(UnknownNameError):
        tokens.make("nobody-of-that-name")
    tokens.revoke(ME)
    assert tokens.users() == []
    (tmp_path / "tokens").chmod(0o640)
    with pytest.raises(SettingsError, match="others can read it"):
        Tokens(tmp_path / "tokens")


def test_a_seal_is_never_made_of_a_secret_that_was_not_written_whole(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    (tmp_path / "ledger" / "secret").touch()  # of a broker that was killed there, or whose disk was full
    made = ledger.secret()
    assert len(made) == 32
    assert ledger.secret() == made
    assert (tmp_path / "ledger" / "secret").stat().st_mode & 0o777 == 0o600
    ledger.close()


def test_a_file_of_tokens_that_cannot_be_written_or_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="nowhere/tokens"):
        Tokens(tmp_path / "nowhere" / "tokens").make(ME)
    (tmp_path / "tokens").write_bytes(b"\xff\xfe broken line\n")
    (tmp_path / "tokens").chmod(0o600)
    with pytest.raises(SettingsError, match="not `USER DIGEST`"):
        Tokens(tmp_path / "tokens")


def test_what_squeue_says_is_read_whatever_its_encoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue, line = tmp_path / "squeue", tmp_path / "line"
    line.write_bytes(b"".join(text.ljust(width) for text, width in ((b"7", 40), (str(os.getuid()).encode(), 40), (b"normal", 80), (b"wide", 80), (b"caf\xe9", 80), (b"R", 20))) + b"\n")  # fmt: skip
    squeue.write_text(f"#!/bin/sh\ncat {line}\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = SlurmJobs({p.name: p for p in DEFAULTS}, (Rule("test", partition="wide"),)).find(os.getuid(), "7", "", "")
    assert (found.profile, found.account) == ("test", "caf\ufffd")


def test_a_broker_that_is_not_there_is_said_by_its_address(settings_of: Callable[..., None], tmp_path: Path) -> None:
    kept = tmp_path / "token"
    kept.write_text("qhub_x")
    kept.chmod(0o600)
    settings_of(token_file=str(kept))
    with pytest.raises(DeviceError, match=r"The broker at http://127\.0\.0\.1:9 cannot be reached"):
        ask_broker("http://127.0.0.1:9", "GET", "/v1/status")


def test_without_munge_the_error_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    munge._library.cache_clear()
    monkeypatch.setattr(munge.ctypes, "CDLL", _no_library)
    with pytest.raises(QhubError, match="There is no MUNGE on this host"):
        munge.encode(b"x")
    monkeypatch.undo()
    munge._library.cache_clear()


def _no_library(name: Any) -> Any:
    raise OSError(name)
