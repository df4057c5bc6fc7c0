"""What `qhub doctor` says of the embedded site."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from qhub_ext.errors import SiteError
from qhub_ext.sites.embedded import processes
from qhub_ext.sites.embedded.policy import in_line
from qhub_ext.sites.scheduler import Finding

if TYPE_CHECKING:
    from qhub_ext.sites.embedded.site import EmbeddedSite

LOW_DISK_MB = 500


def examine(site: EmbeddedSite) -> list[Finding]:
    spool = site.spool
    try:
        spool.prepare()
        probe = spool.put(spool.directory, {"probe": True})
        probe.unlink()
    except SiteError as error:
        return [Finding("failure", error.message, error.advice)]
    except OSError as error:
        return [
            Finding("failure", f"{spool.directory} cannot be written to: {error.strerror}.", "Free space, or move it.")
        ]
    findings = [Finding("ok", f"The queue's folder {spool.directory} can be written to.")]
    free_mb = shutil.disk_usage(spool.directory).free // 2**20
    if free_mb >= LOW_DISK_MB:
        findings.append(Finding("ok", f"{free_mb / 1024:.1f} GiB are free on its disk."))
    else:
        findings.append(Finding("warning", f"{free_mb} MiB are free on its disk.", "Free some space."))
    findings.append(_daemon(site))
    findings += _kept(site)
    findings.append(
        Finding("ok", f"Jobs may use {site.daemon.cpus} CPUs together.", facts={"cpus": str(site.daemon.cpus)})
    )
    return findings


def _kept(site: EmbeddedSite) -> list[Finding]:
    """What the site's idle processes take."""
    sizes = {
        what: round(sum(processes.memory_mb(one.pid) for one in those)) for what, those in site.daemon.kept().items()
    }
    if not sizes:
        return []
    words = {"template": "a template that runners are forked from", "kernel": "kernels with their imports done"}
    what = " and ".join(f"{words.get(what, what)} ({size} MiB)" for what, size in sizes.items())
    advice = "They leave with the daemon. Settings: embedded.template, embedded.warm_kernels."
    facts = {f"{what}_mb": str(size) for what, size in sizes.items()}
    return [Finding("ok", f"Kept ready for the next jobs: {what}.", advice, facts)]


def _daemon(site: EmbeddedSite) -> Finding:
    process = site.daemon.process()
    waiting = len(in_line(site.jobs()))
    if process is not None and site.spool.daemon_lives():
        note = site.daemon.version_note()
        what = f"The daemon runs (pid {process.pid}); {waiting} jobs wait."
        return Finding("warning" if note else "ok", what, note, {"pid": str(process.pid)})
    command = site.daemon.command()
    if not os.access(command[0], os.X_OK):
        return Finding("failure", f"The daemon cannot be started: {command[0]} is not executable.")
    if waiting:
        return Finding(
            "failure",
            f"{waiting} jobs wait and no daemon runs.",
            f"{site.spool.log} says why; any verb starts it again.",
        )
    return Finding("ok", "No daemon runs; the next submission starts it.")
