"""A job before it exists: everything that would be written and sent, checked, and not yet on disk. `--dry-run` shows one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from qhub_ext.capture.fingerprint import fingerprint
from qhub_ext.capture.freeze import Frozen, Row, freeze, preview
from qhub_ext.capture.losses import losses
from qhub_ext.capture.names import Names, analyse
from qhub_ext.capture.notebook import over_choice, parse_notebook
from qhub_ext.capture.runtime import record_runtime
from qhub_ext.capture.spawned import not_found
from qhub_ext.errors import CaptureError, InvalidOptionError
from qhub_ext.job.notebook import Notebook, percent_text
from qhub_ext.job.spec import JobSpec
from qhub_ext.service.job_device import check_device, resource_title
from qhub_ext.service.payload import check_payload
from qhub_ext.service.specification import elements_of, placed, specify
from qhub_ext.tiers import catalog

if TYPE_CHECKING:
    from qhub_ext.capture.request import Request
    from qhub_ext.settings import Settings


_TWICE = re.compile(r"\s*%%qpu\b")


@dataclass(frozen=True)
class Draft:
    """`notebook` is None for a cell or a script. `began_at` and `drafted_at` tell how long it took to make, in s since 1970 UTC."""

    spec: JobSpec
    elements: tuple[JobSpec, ...]
    cell: str
    names: Names
    frozen: Frozen
    runtime: dict[str, Any]
    before: dict[str, str | None]
    warnings: tuple[str, ...] = ()
    notebook: Notebook | None = None
    began_at: float | None = None
    drafted_at: float | None = None
    snapshots: tuple[Path, ...] = ()
    lock: Path | None = None

    def inputs(self) -> list[Row]:
        """What goes along, a row per name."""
        return preview(self.frozen)


def draft_job(
    request: Request,
    cell: str,
    namespace: dict[str, Any] | None,
    settings: Settings,
    *,
    kind: str = "cell",
    file: str = "",
    arguments: Sequence[str] = (),
    foretell: Callable[[JobSpec], None] = lambda _: None,
) -> Draft:
    """Checks everything that can be checked before anything is written. `namespace` None: nothing is captured (a script).

    Of a notebook, `cell` is the text of its file. `foretell` is told what the job will ask of its site before the cell is looked at, which may
    still be refused; not of a sweep.
    """
    if kind == "notebook":
        return _draft_notebook(request, cell, settings, file, arguments)
    called = (PurePath(file).name or "The script") if kind == "script" else "The cell"
    if not cell.strip():
        raise CaptureError(f"{called} is empty: there is nothing to submit.")
    if kind == "cell" and all(line.lstrip()[:1] in ("", "#") for line in cell.splitlines()):
        raise CaptureError(f"{called} has comments only: there is nothing to submit.")
    if kind == "cell" and _TWICE.match(cell):
        raise CaptureError(
            "The cell has %%qpu twice, and one of them makes the job: nothing was submitted.",
            advice="Leave one, with the options of both; --tier local,emulation or --sweep make several jobs of a cell.",
        )
    points = request.elements
    spec = specify(request, cell, settings, kind, file, arguments)
    device = check_device(spec)
    spec = replace(spec, device=device.name)  # under one name everywhere, however it was asked for
    if not points:
        foretell(spec)
    known = dict(namespace or {})
    swept = set(points[0]) if points else set()
    names = analyse(cell, known, provided={*swept, "__file__"} if kind == "script" else swept, called=called)
    if names.missing:
        listed = ", ".join(f"`{name}`" for name in sorted(names.missing))
        raise CaptureError(
            f"The cell reads {listed}, which neither the notebook nor the cell has: nothing was submitted."
            if namespace is not None
            else f"{called} reads {listed} before anything binds it: nothing was submitted.",
            advice="Define it first, or correct its name.",
        )
    wanted = sorted({*names.reads, *request.inputs} - swept - set(request.without))
    absent = [n for n in request.inputs if n not in known]
    if absent:
        raise CaptureError(
            f"--in names {', '.join(map(repr, absent))}, which the notebook does not have.",
            advice="Run the cell that defines it first, or leave the name out.",
        )
    _check_named(request, names, known, swept)
    frozen = freeze(wanted, known, limit_mb=settings.limits.capture_mb, main=namespace, without=request.without)
    frozen.require({*wanted} - {*names.optional} | {*request.inputs})
    runtime = record_runtime(settings)
    spec = placed(spec, runtime, settings)
    spec = replace(spec, resource=resource_title(spec.tier, spec.device, spec.site, settings))
    if spec.tier == "qpu":
        check_payload(cell, {n: known[n] for n in frozen.manifest.names if n in known}, device.name)
    elements = elements_of(spec, points)
    if elements:
        spec = replace(spec, size=len(elements))
    before = fingerprint({*names.returns, *(spec.outputs or ())}, known)
    too_wide = [
        f"`{name}` has {value.num_qubits} qubits, {device.name} has {device.qubits}."
        for name, value in known.items()
        if name in frozen.manifest.names
        and type(value).__name__ == "QuantumCircuit"
        and 0 < device.qubits < value.num_qubits
    ]
    left = [f"{sentence} It stays behind." for sentence in frozen.failed.values()]
    lost = losses(frozen.manifest.names, names.mutates, known)
    lost += not_found(cell, frozen.manifest.names, known) if kind == "cell" else []
    warnings = (*names.warnings, *too_wide, *left, *lost, *_without_effect(request, spec))
    return Draft(spec, elements, cell, names, frozen, runtime, before, warnings)


def _without_effect(request: Request, spec: JobSpec) -> list[str]:
    if spec.site != "embedded":
        return []
    given = (["--partition"] if request.partition else []) + (["--site-option"] if request.site_options else [])
    have = f"{' and '.join(given)} {'has' if len(given) == 1 else 'have'} no effect."
    return [f"The embedded site has neither partitions nor options of its own: {have}"] if given else []


def _draft_notebook(request: Request, text: str, settings: Settings, file: str, arguments: Sequence[str]) -> Draft:
    """The notebook brings its own values; where it runs it may say in its metadata, and `request` says it before that."""
    called = PurePath(file).name or "The notebook"
    if arguments:
        raise InvalidOptionError("A notebook takes no arguments.", advice="A script does.")
    if request.sweeps:
        raise InvalidOptionError("--sweep sets a variable of a cell or a script; a notebook sets its own.")
    notebook = parse_notebook(text, called)
    if len(text) > settings.limits.capture_mb * 2**20:
        raise CaptureError(
            f"{called} has {len(text) / 2**20:.0f} MiB; {settings.limits.capture_mb} MiB may go along.",
            advice="Clear its outputs, or raise limits.capture_mb in qhub.toml.",
        )
    request = over_choice(request, notebook)
    if request.device:
        request = replace(request, device=catalog.resolve(request.device))
    cell = percent_text(notebook)
    runtime = record_runtime(settings)
    request = replace(request, name=request.name or PurePath(file).name or "notebook")
    spec = placed(specify(request, cell, settings, "notebook", file, ()), runtime, settings)
    spec = replace(spec, device=check_device(spec).name)
    directory = str(Path(file).absolute().parent) if file else spec.directory
    spec = replace(spec, directory=directory, resource=resource_title(spec.tier, spec.device, spec.site, settings))
    frozen = freeze((), {}, limit_mb=settings.limits.capture_mb, main=None, without=())
    return Draft(spec, (), cell, Names(), frozen, runtime, {}, notebook=notebook)


def _check_named(request: Request, names: Names, known: dict[str, Any], swept: set[str]) -> None:
    """Names in options that can mean nothing are slips of the pen."""
    for name in request.without:
        if name not in known and name not in names.reads:
            raise CaptureError(f"--without names {name!r}, which the notebook does not have.")
    bound = {*known, *names.writes, *names.mutates, *swept}
    for name in request.outputs or ():
        if name not in bound and not names.dynamic:
            raise CaptureError(
                f"--out names {name!r}, which {'the cell' if names.called == 'The cell' else names.called} never binds."
            )
    if request.variable and request.variable in names.writes:
        raise CaptureError(
            f"--as {request.variable} would hold the Job, but the cell binds {request.variable!r} itself.",
            advice="Choose another name for one of them.",
        )
