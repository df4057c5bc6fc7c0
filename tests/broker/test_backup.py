"""Backup and restore as docs/operators.md has them: the ledger while the broker runs, then the rest of its folder as files."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.broker.conftest import Broker, decoded


def test_a_broker_from_a_backup_knows_tasks_results_and_tokens_and_takes_new_work(
    new_broker: Callable[..., Broker], bell_qasm: str, tmp_path: Path
) -> None:
    first = new_broker()
    done = first.submit(first.session(), bell_qasm, 100)
    assert first.until_ended(done)["state"] == "completed"
    counts = decoded(first, done)[0].data.meas.get_counts()
    first.ask("POST", "/v1/tokens", {"user": "root"})

    saved = tmp_path / "saved" / "ledger"
    saved.mkdir(parents=True)
    live, copy = (sqlite3.connect(path / "broker.sqlite") for path in (first.directory / "ledger", saved))
    with closing(live), closing(copy):
        live.backup(copy)  # what `.backup` of the sqlite3 command is
    late = first.submit(first.session(), bell_qasm, 100)  # after the ledger was saved, before its files were
    first.until_ended(late)
    for path in (first.directory / "ledger").iterdir():
        if not path.name.startswith("broker.sqlite"):
            (shutil.copytree if path.is_dir() else shutil.copy2)(path, saved / path.name)
    first.stop()

    second = Broker(tmp_path / "restored", first.server)
    shutil.copytree(saved, second.directory / "ledger")
    second.start()
    try:
        assert second.task(done)["state"] == "completed"
        assert decoded(second, done)[0].data.meas.get_counts() == counts
        assert second.ask("GET", "/v1/tokens")["users"] == ["root"]
        assert late not in [row["id"] for row in second.ask("GET", "/v1/tasks?everybody=true")["tasks"]]
        again = second.submit(second.session(), bell_qasm, 100)
        assert second.until_ended(again)["state"] == "completed"
    finally:
        second.stop()
