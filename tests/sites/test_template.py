"""Runners that are forked from a template start as a Python of their own would: the same to the job, whatever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qhub_ext.job.state import State
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outputs import read_text
from qhub_ext.sites.embedded.processes import Process, start_time
from qhub_ext.sites.embedded.site import EmbeddedSite
from qhub_ext.sites.embedded.template_launcher import looked_at
from tests.sites.workshop import Workshop, embedded_workshop, launch_record
from tests.waiting import wait_until


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which every Python of the site looks for modules."""
    folder = tmp_path / "modules"
    (folder / "__pycache__").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{Path(__file__).parents[2]}")
    return folder


@pytest.fixture
def shop(tmp_path: Path, path: Path) -> Iterator[Workshop]:
    with embedded_workshop(tmp_path) as workshop:
        yield workshop


def send(shop: Workshop, cell: str, **spec: Any) -> JobFolder:
    job = shop.cell(cell, **spec)
    shop.site.submit([job])
    shop.until_final(job)
    return job


def how(job: JobFolder) -> str:
    attempt = job.latest_attempt()
    assert attempt is not None
    return str(launch_record(attempt)["how"])


def text(job: JobFolder) -> str:
    return read_text(job.attempt(1))


def kept(shop: Workshop, what: str = "template") -> Process | None:
    assert isinstance(shop.site, EmbeddedSite)
    return next(iter(shop.site.daemon.kept().get(what, ())), None)


def until_ready(shop: Workshop, what: str = "template") -> Process:
    """After a first job, which tells the site which Python to keep."""
    if kept(shop, what) is None:
        send(shop, "pass")
    return wait_until(lambda: kept(shop, what), what=f"a {what}")  # type: ignore[return-value]


UNTIL_TOLD = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\n0"
"""A cell that runs until `go_on`."""


def go_on(shop: Workshop) -> None:
    (Path(shop.settings.shelf) / "go").touch()


def log(shop: Workshop) -> str:
    assert isinstance(shop.site, EmbeddedSite)
    return shop.site.spool.log.read_text()


# Everything that a cell can ask its process about and that ought not to depend on how it was started.
LOOK_ROUND = """
import gc, json, locale, os, resource, signal, sys, threading, warnings
ours = ("qhub_ext", "cloudpickle")
facts = {
    "modules": sorted(n for n in sys.modules if n.partition(".")[0] not in ours),
    "path": sys.path, "argv": sys.argv, "flags": str(sys.flags), "prefix": sys.prefix, "executable": sys.executable,
    "environment": {k: v for k, v in os.environ.items() if k not in ("SHLVL", "OLDPWD", "_", "TRACEPARENT")},  # the script's shell
    "directory": os.getcwd(), "umask": os.umask(0o077), "collector": [gc.isenabled(), gc.get_threshold()],
    "threads": sorted(t.name.rstrip("0123456789-") for t in threading.enumerate()),
    "handlers": {s.name: str(signal.getsignal(s)).partition(" at ")[0] for s in signal.Signals if s.name not in ("SIGKILL", "SIGSTOP")},
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "limits": [resource.getrlimit(n) for n in (resource.RLIMIT_NOFILE, resource.RLIMIT_STACK, resource.RLIMIT_CORE)],
    "warnings": [str(f) for f in warnings.filters], "locale": locale.setlocale(locale.LC_ALL),
    "stdin": os.readlink("/proc/self/fd/0"), "leads": [os.getpgid(0) == os.getpid(), os.getsid(0) == os.getsid(os.getppid())],
    "oom": open("/proc/self/oom_score_adj").read(), "name": __name__, "encoding": sys.stdout.encoding,
    "open": len(os.listdir("/proc/self/fd")),
}
print(json.dumps(facts))
"""


def looked_round(tmp_path: Path, way: str, after: str = "", **embedded: Any) -> dict[str, Any]:
    """What a cell finds that started in one of the ways, `after` something was kept ready for it."""
    with embedded_workshop(tmp_path / way, **embedded) as shop:
        if after:
            until_ready(shop, after)
        job = send(shop, LOOK_ROUND, directory=str(tmp_path))
        assert how(job) == way
        return dict(json.loads(text(job)))


def test_a_cell_finds_what_it_would_find_in_a_python_of_its_own(tmp_path: Path, path: Path) -> None:
    alone = looked_round(tmp_path, "cold", template=False)
    forked = looked_round(tmp_path, "forked", after="template")
    assert forked == alone
    warm = looked_round(tmp_path, "warm", after="kernel", warm_kernels=1, warm_imports=("json",))
    assert warm == alone


def test_jobs_share_nothing_with_one_another(shop: Workshop) -> None:
    until_ready(shop)
    first = send(
        shop, "import os, sys, builtins, json\nos.environ['MINE'] = sys.mine = builtins.mine = json.mine = 'left'"
    )
    second = send(
        shop,
        "import os, sys, builtins, json\n"
        "print([os.environ.get('MINE'), *(hasattr(m, 'mine') for m in (sys, builtins, json))])",
    )
    assert (how(first), how(second)) == ("forked", "forked")
    assert text(second) == "[None, False, False, False]\n"


def test_chance_is_another_in_every_job(shop: Workshop) -> None:
    until_ready(shop)
    cell = "import random, uuid, tempfile, secrets, numpy\nprint(random.random(), uuid.uuid4(), tempfile.mktemp(), secrets.token_hex(), numpy.random.random())"
    one, other = (text(send(shop, cell)).split() for _ in range(2))
    assert len(one) == 5
    assert not set(one) & set(other)


def test_a_job_that_asks_for_a_fresh_kernel_may_be_forked(shop: Workshop) -> None:
    until_ready(shop)
    assert how(send(shop, "pass", cold=True)) == "forked"


def test_what_python_reads_when_it_begins_is_read_anew(shop: Workshop) -> None:
    until_ready(shop)
    job = shop.cell("import os; print(hash('a'), os.environ['OMP_NUM_THREADS'])")
    (job.runtime).write_text(json.dumps({"environment": {"PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "3"}}))
    shop.site.submit([job])
    shop.until_final(job)
    assert how(job) == "forked"
    expected = subprocess.check_output(
        [sys.executable, "-c", "print(hash('a'))"], env={**os.environ, "PYTHONHASHSEED": "7"}, text=True
    )
    assert text(job) == f"{expected.strip()} 3\n"


def test_exit_code_and_console_are_recorded(shop: Workshop) -> None:
    until_ready(shop)
    job = send(shop, "import os; os._exit(3)")
    assert how(job) == "forked"
    assert json.loads(job.attempt(1).exit.read_text())["returncode"] == 1  # the runner's: the job failed
    assert shop.record(job).attempt.cause == "code"


def test_a_burst_is_forked_although_nothing_is_idle(tmp_path: Path, path: Path) -> None:
    with embedded_workshop(tmp_path, cpus=1) as shop:
        jobs = [shop.cell("import time; time.sleep(0.5)") for _ in range(8)]
        shop.site.submit(jobs)
        shop.until_final(*jobs)
        assert "forked" in {how(job) for job in jobs}


def test_a_script_that_was_changed_is_run_as_it_is(shop: Workshop) -> None:
    until_ready(shop)
    job = shop.submit("echo mine; seal completed", python=sys.executable)
    shop.until_final(job)
    assert how(job) == "cold"
    assert job.attempt(1).console.read_text() == "mine\n"


def test_a_cancelled_job_runs_its_finally(shop: Workshop) -> None:
    until_ready(shop)
    job = shop.cell(
        "import time\ntry:\n    print('begun', flush=True)\n    time.sleep(600)\nfinally:\n    print('tidied up')",
        grace_s=10,
    )
    shop.site.submit([job])
    wait_until(lambda: job.latest_attempt() and "begun" in text(job), what="its output")
    shop.site.cancel([job.id])
    (record,) = shop.until_final(job)
    assert how(job) == "forked"
    assert record.state is State.CANCELLED
    assert "tidied up" in text(job)


def test_a_forked_job_goes_on_when_its_launcher_is_killed(shop: Workshop) -> None:
    until_ready(shop)
    job = shop.cell(f"{UNTIL_TOLD}; print('done')")
    shop.site.submit([job])
    launch = launch_record(shop.until_running(job))
    os.kill(launch["pid"], signal.SIGKILL)
    go_on(shop)
    (record,) = shop.until_final(job)
    assert (launch["how"], record.state, text(job)) == ("forked", State.COMPLETED, "done\n")


def test_a_forked_job_whose_runner_is_killed_ends_with_a_verdict(shop: Workshop) -> None:
    until_ready(shop)
    job = shop.cell("import os, time; print(os.getpid(), flush=True); time.sleep(600)")
    shop.site.submit([job])
    launch = launch_record(shop.until_running(job))
    kernel = int(wait_until(lambda: text(job), what="its output"))
    os.kill(launch["script"]["pid"], signal.SIGKILL)
    (record,) = shop.until_final(job)
    assert (launch["how"], record.state) == ("forked", State.FAILED)
    wait_until(lambda: start_time(kernel) is None, what="the end of its kernel")


def test_a_template_that_was_killed_is_not_missed(shop: Workshop) -> None:
    before = until_ready(shop)
    before.send(signal.SIGKILL)
    assert shop.state(send(shop, "pass")) is State.COMPLETED
    after = until_ready(shop)
    assert after != before
    assert how(send(shop, "pass")) == "forked"


def test_a_template_that_hangs_is_ended_and_the_job_starts_otherwise_and_once(shop: Workshop, tmp_path: Path) -> None:
    until_ready(shop).send(signal.SIGSTOP)
    job = send(shop, f"open({str(tmp_path / 'ran')!r}, 'a').write('x')")
    assert shop.state(job) is State.COMPLETED
    assert (tmp_path / "ran").read_text() == "x"
    assert "does not answer" in log(shop)


def test_forked_jobs_live_on_when_daemon_and_template_are_killed(shop: Workshop, tmp_path: Path) -> None:
    mould = until_ready(shop)
    job = shop.cell(f"{UNTIL_TOLD}; open({str(tmp_path / 'ran')!r}, 'a').write('x')")
    shop.site.submit([job])
    shop.until_running(job)
    assert how(job) == "forked"
    daemon = shop.site.daemon.process()  # type: ignore[attr-defined]
    for process in (daemon, mould):
        process.send(signal.SIGKILL)
    go_on(shop)
    (record,) = shop.until_final(job)
    assert record.state is State.COMPLETED
    assert (tmp_path / "ran").read_text() == "x"


def test_a_template_goes_with_its_daemon_however_that_ends(shop: Workshop) -> None:
    mould = until_ready(shop)
    shop.site.daemon.process().send(signal.SIGKILL)  # type: ignore[attr-defined]
    wait_until(lambda: not mould.lives(), what="the end of the template")


def test_a_template_does_not_keep_an_idle_daemon(tmp_path: Path, path: Path) -> None:
    with embedded_workshop(tmp_path, idle_exit_s=0.1) as shop:
        busy = shop.cell(UNTIL_TOLD)  # it stays until the template is ready
        shop.site.submit([busy])
        mould = until_ready(shop)
        go_on(shop)
        wait_until(lambda: shop.site.daemon.process() is None, what="the daemon's leaving")  # type: ignore[attr-defined]
        wait_until(lambda: not mould.lives(), what="the end of the template")


def test_after_an_installation_the_next_job_sees_the_new_packages(shop: Workshop, path: Path) -> None:
    before = until_ready(shop)
    (path / "brand_new.py").write_text("word = 'here'")
    job = send(shop, "import brand_new; print(brand_new.word)")
    assert (how(job), text(job)) == ("cold", "here\n")
    assert "packages have changed" in log(shop)
    wait_until(lambda: not before.lives(), what="the end of the template of before")
    until_ready(shop)
    assert how(send(shop, "pass")) == "forked"


def test_the_checkout_of_an_editable_installation_is_no_folder_of_packages() -> None:
    path = ["/usr/lib/python3.11", "/x/site-packages", "/home/me/qhub_ext"]
    assert looked_at(path, "/home/me/qhub_ext/qhub_ext") == path[:2]
    assert looked_at(path, "/x/site-packages/qhub_ext") == path


def test_where_something_starts_a_thread_with_every_python_jobs_start_without_a_template(
    shop: Workshop, path: Path
) -> None:
    (path / "sitecustomize.py").write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    send(shop, "pass")
    wait_until(lambda: "has started a thread" in log(shop), what="the reason")
    job = send(shop, "print(6 * 7)")
    assert (how(job), text(job)) == ("cold", "42\n")


def test_the_doctor_tells_what_it_takes(shop: Workshop) -> None:
    until_ready(shop)
    findings = [finding for finding in shop.site.doctor() if "template" in finding.what]
    assert [finding.level for finding in findings] == ["ok"]
    assert 5 < int(findings[0].facts["template_mb"]) < 100


def test_it_can_be_switched_off(tmp_path: Path, path: Path) -> None:
    with embedded_workshop(tmp_path, template=False) as shop:
        assert [how(send(shop, "pass")) for _ in range(2)] == ["cold", "cold"]
        assert kept(shop) is None
