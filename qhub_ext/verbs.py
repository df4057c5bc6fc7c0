"""The verbs, once: `%qpu VERB` in a notebook and `qhub VERB` in a terminal are these same functions with the same words.

A verb returns what it has to show (`Table`, `Job`, `Text`); the front end decides how. Every verb that prints facts
takes `--json`.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from qhub_ext.display.card import card_text
from qhub_ext.display.site_queue import queue_table
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.display.tasks import tasks_table
from qhub_ext.display.words import duration, moment, plain, span, state_words
from qhub_ext.errors import (
    CaptureError,
    DeviceError,
    InvalidOptionError,
    PreflightError,
    UnknownNameError,
    UserError,
)
from qhub_ext.job.context import TIERS
from qhub_ext.job.identity import short_id
from qhub_ext.job.record import JobRecord
from qhub_ext.job.state import State
from qhub_ext.jobfolder.outputs import OutputReader, text_of_message, without_colours
from qhub_ext.jobfolder.shelf import Summary
from qhub_ext.service import Job, Jobs, JobService
from qhub_ext.service.broker_tasks import open_tasks
from qhub_ext.service.fleet import word_about
from qhub_ext.sites.scheduler import Refusal
from qhub_ext.tiers import catalog, site_devices

LISTED = 20
USAGE_KEYS = ("device", "job", "profile", "user", "account", "day", "site")

EXIT_OK = 0
EXIT_JOB_FAILED = 1
EXIT_USAGE = 2
EXIT_SITE = 4
EXIT_ENVIRONMENT = 5
EXIT_TIMED_OUT = 124
EXIT_INTERRUPTED = 130


@dataclass
class Surface:
    """What the front end lends to the verbs. `namespace` is the notebook's, None in a terminal."""

    service: JobService
    namespace: MutableMapping[str, Any] | None = None
    write: Callable[[str], None] = field(default=lambda text: click.echo(text, nl=False))
    exit_code: int = EXIT_OK
    remember: Callable[[dict[str, Any]], None] | None = None
    chosen: Callable[[], dict[str, Any]] = dict

    def job(self, reference: str) -> Job:
        """The notebook's own Job object where it has one, since that remembers what may be overwritten."""
        held = (self.namespace or {}).get(reference)
        if isinstance(held, Job):  # `job`, as `--as job` made it
            return held
        job = self.service.job(reference)
        for value in (self.namespace or {}).values():
            if isinstance(value, Job) and value.id == job.id and value.before is not None:
                return value
        return job


def facts_verb(function: Callable[..., Any]) -> Callable[..., Any]:
    """Adds `--json` and hands the surface to the verb."""

    @click.option("--json", "as_json", is_flag=True, help="Print facts as JSON.")
    @click.pass_obj
    @functools.wraps(function)
    def verb(surface: Surface, /, as_json: bool, **arguments: Any) -> Any:
        wants = {"as_json": as_json} if "as_json" in inspect.signature(function).parameters else {}
        view = function(surface, **arguments, **wants)
        return Text(json.dumps(_facts(view), indent=2, default=str)) if as_json else view

    return verb


def for_terminal(text: str) -> str:
    """Colours only where a terminal shows them."""
    return text if sys.stdout.isatty() else without_colours(text)


def _facts(view: Any) -> Any:
    if isinstance(view, Job):
        return job_facts(view)
    if isinstance(view, Jobs):
        return [job_facts(job) for job in view]
    return view.facts


def job_facts(job: Job) -> dict[str, Any]:
    record = job.record
    facts = record.to_json() | {"short_id": short_id(job.id), "folder": str(job.folder.path)}
    if record.state.final and record.spec.size is None:
        facts["variables"] = sorted(job.results())
    return facts


def complete_job(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """Names of jobs for the shell's completion."""
    return [s for s in (short_id(i) for i in JobService().shelf.ids()[:50]) if s.startswith(incomplete)]


def complete_device(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    return [d for d in catalog.names() if d.startswith(incomplete)]


JOB_ARGUMENTS = frozenset({"job", "jobs", "first", "second"})
one_job = click.argument("job", shell_complete=complete_job)
some_jobs = click.argument("jobs", nargs=-1, required=True, shell_complete=complete_job)


ELSEWHERE = {
    "use": (
        "`use` is for a notebook.",
        "Here `qhub run` takes --tier and --device; QHUB_TIER and QHUB_DEVICE hold for every command.",
    ),
    "run": (
        "`run` is for a terminal.",
        'Here %%qpu at the top of a cell submits it, and submit_notebook("FILE.ipynb") of qhub_ext a whole notebook.',
    ),
    "virtual-qpu": ("`virtual-qpu` is for a terminal.", "Type `qhub virtual-qpu` there."),
    "tutorials": (
        "`tutorials` is for a terminal.",
        "Type `qhub tutorials DIR` there; %qpu is for the cells of the copies.",
    ),
    "completion": ("`completion` is for a terminal.", 'Type eval "$(qhub completion bash)" there.'),
}
"""Verbs that only the other front end has, and what to do here."""


def slip_sentence(error: click.ClickException) -> str:
    """What click found wrong with a command, and where its help is, on one line."""
    said = " ".join(error.format_message().split())
    ctx = getattr(error, "ctx", None)
    return f"{said} `{ctx.command_path} --help` says what it takes." if ctx is not None else said


class Verb(click.Command):
    """Where a verb takes jobs, `-1` is one and no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if any(param.name in JOB_ARGUMENTS for param in self.params if isinstance(param, click.Argument)):
            args = self._with_jobs(ctx, args)
        return super().parse_args(ctx, args)

    def _with_jobs(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`~1` for `-1`, which the shelf reads as well, but where it is an option's value or stands behind `--`."""
        takes_value = {
            flag
            for param in self.get_params(ctx)
            if isinstance(param, click.Option) and not (param.is_flag or param.count)
            for flag in (*param.opts, *param.secondary_opts)
        }
        end = args.index("--") if "--" in args else len(args)
        before = ["", *args]
        return [
            f"~{word[1:]}" if at < end and before[at] not in takes_value and re.fullmatch(r"-[0-9]+", word) else word
            for at, word in enumerate(args)
        ]


class VerbGroup(click.Group):
    """Unknown verbs are answered with the nearest ones."""

    command_class = Verb

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            if args[0] in ELSEWHERE:
                what, instead = ELSEWHERE[args[0]]
                raise InvalidOptionError(what, advice=instead)
            raise UnknownNameError.among("verb", args[0], self.list_commands(ctx))
        return super().resolve_command(ctx, args)


@click.group(
    cls=VerbGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.pass_context
def verbs(ctx: click.Context) -> Any:
    """Quantum cells as batch jobs: tiers, devices, queue and your jobs.

    JOB is a job's id, the short id behind its hyphen, its name, or -1 for your latest job.
    """
    if ctx.invoked_subcommand is None:
        return overview(ctx.obj)
    return None


def overview(surface: Surface) -> Any:
    chosen = surface.chosen()
    settings = surface.service.settings
    tier, device = chosen.get("tier") or settings.tier, chosen.get("device") or settings.device
    queue = surface.service.queue()
    waiting, running = sum(e.state.waiting for e in queue), sum(not e.state.waiting for e in queue)
    text = (
        f"Cells go to tier {tier}, device {_device_words(device)}, "
        f"through the site {settings.site_of(tier)!r}: {running} running, {waiting} waiting.\n"
        "`%qpu use TIER --device NAME` chooses; `%%qpu` at the top of a cell submits it; `%qpu --help` lists the verbs."
    )
    summaries = surface.service.jobs(limit=8)
    facts = {"tier": tier, "device": device, "site": settings.site_of(tier), "running": running, "waiting": waiting}
    return Page(
        [Text(text), jobs_table(summaries, title="Your latest jobs")],
        facts | {"jobs": [_summary_facts(s) for s in summaries]},
    )


def _device_words(device: str) -> str:
    name = catalog.resolve(device)
    try:
        found = catalog.describe(name)
    except (DeviceError, PreflightError):  # one whose target was never asked for, or that takes no circuits
        return name
    return f"{name} ({found.qubits} qubits, snapshot of {found.snapshot_at:.10})"


def jobs_table(summaries: Sequence[Summary], title: str = "", empty: str = "") -> Table:
    now = time.time()
    rows = []
    for s in summaries:
        end = s.ended_at or now
        waited = None if s.submitted_at is None else (s.running_at or end) - s.submitted_at
        ran = None if s.running_at is None else end - s.running_at
        state = state_words(s.state) + (f" {s.done}/{s.size}" if s.size is not None else "")
        rows.append(
            (
                short_id(s.id),
                s.name,
                s.tier,
                s.device,
                state,
                moment(s.submitted_at, now),
                duration(waited),
                duration(ran),
                s.message,
            )
        )
    return Table(
        ("job", "name", "tier", "device", "state", "submitted", "waited", "ran", "because"),
        rows,
        facts=[_summary_facts(s) for s in summaries],
        title=title,
        empty=empty or "You have no jobs here yet. Put %%qpu at the top of a cell, or use `qhub run FILE.py`.",
        widths={"name": 32, "because": 60},
    )


def _summary_facts(summary: Summary) -> dict[str, Any]:
    return {name: getattr(summary, name) for name in Summary.__dataclass_fields__} | {"short_id": short_id(summary.id)}


@verbs.command("jobs")
@click.argument("text", required=False, default="")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([s.value for s in State]),
    help="Only in this state (repeatable).",
)
@click.option("--tier", type=click.Choice(TIERS), help="Only on this tier.")
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=LISTED, show_default=True, help="How many, newest first."
)
@facts_verb
def jobs_verb(surface: Surface, text: str, states: Sequence[str], tier: str | None, limit: int) -> Table:
    """Your jobs, newest first; TEXT looks in ids, names, devices and messages."""
    filtered = bool(text or states or tier)
    empty = "No job matches." if filtered else ""
    return jobs_table(surface.service.jobs(states=states, text=text, tier=tier, limit=limit), empty=empty)


@verbs.command("job")
@one_job
@facts_verb
def job_verb(surface: Surface, job: str) -> Job:
    """One job: state, where it is or stands in the queue, why it waits or ended, and how old that knowledge is."""
    found = surface.job(job)
    found.closer = True
    return found


@verbs.command("explain")
@one_job
@click.option("--offline", is_flag=True, help="From the job's folder alone: ask neither site, broker nor device.")
@facts_verb
def explain_verb(surface: Surface, job: str, offline: bool) -> Text:
    """Why a job waits, ended as it did, or has doubtful results: cause, evidence, whose move it is, what to try."""
    found = surface.job(job)
    why = surface.service.explain(found.id, ask=not offline)
    state = (surface.service.shelf.record(found.id) if offline else found.record).state.value
    lines = [f"Job {short_id(found.id)} {state_words(state)}: {why}"]
    fates = [] if offline else surface.service.fates(found.id)
    lines.extend(f"  device {fate.sentence} {fate.advice}".rstrip() for fate in fates)
    others = "" if offline else word_about(surface.service, found.id)
    lines.extend([f"  others {others}"] if others else [])
    facts = why.to_json() | {"job": found.id, "state": state, "device_tasks": [fate.to_json() for fate in fates], "others": others}  # fmt: skip
    return Text("\n".join(lines), facts)


@verbs.command("estimate")
@one_job
@facts_verb
def estimate_verb(surface: Surface, job: str) -> Text:
    """When a waiting job may start, as a range; asks the site anew."""
    found = surface.job(job)
    guess = surface.service.estimate(found.id)
    when = "The site cannot say when it starts"
    if not found.record.state.waiting:
        when = f"Job {short_id(found.id)}"
    elif guess.earliest is not None:
        when = f"It may start {span(guess.earliest, guess.latest, time.time())}"
    return Text(f"{when}: {guess.why}", vars(guess) | {"job": found.id})


@verbs.command("queue")
@facts_verb
def queue_verb(surface: Surface) -> Table | Page:
    """The site's queue: what runs, what waits and why, by priority; where there is a broker, also the tasks that wait there."""
    jobs = queue_table(surface.service.queue(), time.time())
    found = open_tasks(surface.service.settings)
    if found is None:
        return jobs
    return Page([jobs, tasks_table(found, "Tasks at the broker")], {"jobs": jobs.facts, **found})


@verbs.command("devices")
@click.argument("device", required=False, shell_complete=complete_device)
@facts_verb
def devices_verb(surface: Surface, device: str | None) -> Table:
    """Devices: what each takes, age of its calibration, qubits, medians without dead or missing values."""
    found = [catalog.describe(device)] if device else catalog.list_devices(surface.service.settings.cache)
    others = [] if device else catalog.undescribed(found)
    takes = site_devices.takes([*(d.name for d in found), *others])
    rows = [
        (
            d.name, takes[d.name], str(d.qubits), d.family, d.snapshot_at[:10], _us(d.medians.get("t1_s")), _us(d.medians.get("t2_s")),
            _error(d.medians.get("readout_error")), _error(d.medians.get("two_qubit_error")), str(len(d.dead_edges)), str(d.max_shots or "–"),
        )
        for d in found
    ]  # fmt: skip
    rows += [(name, takes[name], *("–",) * 9) for name in others]
    return Table(
        (
            "device",
            "takes",
            "qubits",
            "family",
            "snapshot",
            "T1",
            "T2",
            "readout error",
            "2q error",
            "dead edges",
            "max shots",
        ),
        rows,
        facts=[{**d.to_json(), "takes": takes[d.name]} for d in found]
        + [{"name": name, "takes": takes[name]} for name in others],
        footer="Medians; dead (error 1) and missing values are left out. local and emulation take these snapshots; on qpu a device tells its own.",
    )


@verbs.command("calibration")
@click.argument("device", required=False, shell_complete=complete_device)
@click.option("--metric", default="readout", show_default=True, help="What colours the qubits: readout, 1q, t1 or t2.")
@click.option("--circuit", help="Draw where this transpiled circuit lies: a variable of the notebook, or a .qpy file.")
@click.option("--versus", default="", metavar="DEVICE|SNAPSHOT", help="Show the change since this one instead.")
@click.option("--job", metavar="JOB", help="What this job ran under, with the places that its tasks used.")
@click.option(
    "--drift",
    is_flag=False,
    flag_value="before",
    metavar="[SNAPSHOT]",
    help="List what moved since this one; by itself: since the one before.",
)
@click.option(
    "-n", "--most", type=click.IntRange(1), default=12, show_default=True, help="Values to show with --drift."
)
@click.option("--history", is_flag=True, help="List the calibrations of the device that are known.")
@click.option("--refresh", is_flag=True, help="Ask the resource that stands for the device now.")
@click.option("--export", type=click.Path(dir_okay=False, path_type=Path), help="Write the vendor's own JSON here.")
@click.option(
    "--import", "file", type=click.Path(dir_okay=False, path_type=Path), help="Read a vendor's JSON, as QRMI gives it."
)
@facts_verb
def calibration_verb(
    surface: Surface, device: str | None, metric: str, circuit: str | None, versus: str, **asked: Any
) -> Any:
    """A device's newest known calibration as a map: each qubit and edge with its values and their ages.

    A snapshot is DEVICE@ID (the first digits of its id), or a file with one (.json).
    """
    from qhub_ext.calibration_verbs import calibration_view

    other = calibration_view(
        surface, device or surface.chosen().get("device") or surface.service.settings.device, metric=metric, **asked
    )
    if other is not None:
        return other
    from qhub_ext.service.calibration_look import look_at, read_circuit
    from qhub_ext.widgets.calibration import CalibrationMap

    wanted = device or surface.chosen().get("device") or surface.service.settings.device
    drawn = None if circuit is None else (circuit, read_circuit(circuit, surface.namespace))
    return CalibrationMap(look_at(wanted, surface.service.settings.shelf, metric=metric, circuit=drawn, versus=versus))


@verbs.command("resources")
@click.option("--ask", is_flag=True, help="Ask each for its state and queue; takes as long as the slowest answers.")
@facts_verb
def resources_verb(surface: Surface, ask: bool) -> Table:
    """Quantum resources of the tier qpu: what stands for which device, who named it, and why one cannot be used."""
    from qhub_ext.service.resources import list_states, standing

    settings = surface.service.settings
    brokered = settings.broker.shared is not None
    states = standing(settings) if brokered else list_states(settings.qpu, ask=ask)
    rows = [
        (
            s.name,
            s.device,
            s.type,
            s.takes,
            s.state,
            "–" if s.queue is None else str(s.queue),
            moment(s.next_calibration_at),
            s.source,
            " ".join(filter(None, (s.trouble, s.windows_trouble))),
        )
        for s in states
    ]
    virtual = settings.qpu.virtual_at(settings.site_of("qpu")) and not brokered
    stands_in = "a virtual QPU stands in: simulated, started on demand."
    nothing = "No quantum resource is named here"
    return Table(
        ("resource", "device", "type", "takes", "state", "queue", "calibration", "named by", "trouble"),
        rows,
        facts=[vars(s) for s in states],
        empty=f"{nothing}; for every device {stands_in}"
        if virtual
        else f"{nothing}. The settings are under `qpu` in qhub.toml.",
        footer=f"For any other device {stands_in}" if virtual else "",
        widths={"trouble": 100},
    )


def _us(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1e6:.0f} µs"


def _error(value: float | None) -> str:
    return "–" if value is None else f"{value:.2e}"


@verbs.command("usage")
@click.option("--by", type=click.Choice(USAGE_KEYS), default="device", show_default=True, help="What is added up.")
@click.option("--since", default="30d", show_default=True, help="Jobs submitted within this time, such as 7d or 12h.")
@click.option("--figure", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture (HTML) here as well.")
@facts_verb
def usage_verb(surface: Surface, by: str, since: str, figure: Path | None) -> Table:
    """Seconds of QPU that your jobs used, from their own records; with `--by job --json` also the site's ids of them."""
    from qhub_ext.capture.quantity import parse_time
    from qhub_ext.display.pages import write_figure
    from qhub_ext.display.usage import usage_figure, usage_table
    from qhub_ext.service.usage import summed

    jobs = surface.service.usage(time.time() - parse_time(since, "--since", years=100))
    sums = summed(jobs, by)
    if figure is not None:
        write_figure(figure, usage_figure(by, since, sums))
    return usage_table(by, since, sums, [one.to_json() for one in jobs])


@verbs.command("logs")
@one_job
@click.option(
    "-f", "--follow", is_flag=True, help="Go on until the job ends. Interrupting stops the following, not the job."
)
@click.pass_obj
def logs_verb(surface: Surface, job: str, follow: bool) -> None:
    """What the cell printed, so far or while it runs."""
    found = surface.job(job)
    if not follow or found.size is not None:
        surface.write(found.logs() or "Nothing was printed yet.\n")
        return
    try:
        for text in follow_job(found):
            surface.write(text)
    except KeyboardInterrupt:
        surface.write(f"\nJob {short_id(found.id)} goes on; `logs {short_id(found.id)} --follow` comes back to it.\n")
        surface.exit_code = EXIT_INTERRUPTED


def follow_job(job: Job) -> Iterator[str]:
    """Pieces of text as they come, over attempts, until the job has ended."""
    reader: OutputReader | None = None
    number = 0
    pause = 0.05
    while True:
        final = job.record.state.final  # asked first: what was printed before the end is still read below
        attempt = job.folder.latest_attempt()
        if attempt is not None:
            if reader is None or attempt.number != number:
                if number:
                    yield f"── attempt {attempt.number} ──\n"
                reader, number = OutputReader(attempt), attempt.number
            for message in reader.read_new():
                yield text_of_message(message)
                pause = 0.05
        if final:
            return
        time.sleep(pause)
        pause = min(pause * 1.3, 0.5)


def _acting(name: str, done: str, undone: str, doc: str) -> None:
    @verbs.command(name, help=doc)
    @some_jobs
    @facts_verb
    def verb(surface: Surface, jobs: Sequence[str]) -> Text:
        ids = [surface.job(j).id for j in jobs]
        refusals = surface.service.apply(name, ids)
        return _told(surface, name, (done, undone), ids, refusals)


def _told(surface: Surface, name: str, words: tuple[str, str], ids: Sequence[str], refusals: Sequence[Refusal]) -> Text:
    refused = {r.job_id: r.why for r in refusals}
    lines = []
    for job_id in ids:
        whys = {i: w for i, w in refused.items() if i == job_id or i.startswith(f"{job_id}.")}
        if not whys:
            lines.append(f"Job {short_id(job_id)}: {words[0]}.")
        lines.extend(f"Job {short_id(i)}: not {words[1]}: {w}" for i, w in list(whys.items())[:5])
        if len(whys) > 5:
            lines.append(f"... and {len(whys) - 5} more elements of {short_id(job_id)}.")
    if refused:
        surface.exit_code = EXIT_JOB_FAILED
    return Text("\n".join(lines), {"verb": name, "jobs": list(ids), "refused": refused})


_acting(
    "cancel",
    "cancel is asked for",
    "cancelled",
    "Ends jobs: a waiting one at once, a running one after its `finally:`.",
)
_acting("hold", "held", "held", "Keeps waiting jobs from starting.")
_acting("release", "released", "released", "Lets held jobs start when their turn comes.")
_acting(
    "requeue", "queued again", "queued again", "Begins a new attempt, from the start; one that runs is stopped first."
)


def rerun_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What may be different from the job that runs again."""
    for option in reversed(
        (
            click.option("-t", "--tier", type=click.Choice(TIERS), help="Another tier than before."),
            click.option("-d", "--device", shell_complete=complete_device, help="Another device than before."),
            click.option(
                "--snapshot",
                type=click.Choice(["same", "latest"]),
                help="The calibration: that of then, or the present one; by itself that of then, where the tier simulates.",
            ),
            click.option(
                "--runtime",
                type=click.Choice(["same", "current"]),
                help="The environment: that of then, built again if need be, or the present one; by itself the interpreter of then.",
            ),
        )
    ):
        function = option(function)
    return function


@verbs.command("rerun")
@one_job
@rerun_options
@facts_verb
def rerun_verb(surface: Surface, job: str, **changes: Any) -> Job:
    """Submits a job once more, as a new one: the same cell, inputs, options and seeds."""
    return surface.service.rerun(surface.job(job).id, **changes)


@verbs.command("verify")
@one_job
@rerun_options
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0), help="Give up waiting for the rerun after so many seconds."
)
@facts_verb
def verify_verb(surface: Surface, job: str, timeout_s: float | None, **changes: Any) -> Page | Text:
    """Runs a job once more and says whether its results are confirmed; the exit code is 1 where they are not.

    On the tiers that simulate they have to be identical, on a device within shot noise.
    """
    from qhub_ext.jobdiff import verify_job

    old = surface.job(job)
    if not old.record.state.final:
        raise InvalidOptionError(
            f"Job {short_id(old.id)} has not ended yet.", advice=f"`wait {short_id(old.id)}` waits for it."
        )
    new = surface.service.rerun(old.id, **changes)
    try:
        new.wait(timeout_s)
    except TimeoutError as error:
        surface.exit_code = EXIT_TIMED_OUT
        return Text(
            f"{error} `diff {short_id(old.id)} {short_id(new.id)}` compares them when it has ended.", {"job": new.id}
        )
    page, confirmed = verify_job(old, new)
    surface.exit_code = EXIT_OK if confirmed else EXIT_JOB_FAILED
    return page


@verbs.command("diff")
@click.argument("first", shell_complete=complete_job)
@click.argument("second", shell_complete=complete_job)
@facts_verb
def diff_verb(surface: Surface, first: str, second: str) -> Page:
    """What differs between two jobs, and whether their results do beyond shot noise; the most probable reason first."""
    from qhub_ext.jobdiff import diff_jobs

    return diff_jobs(surface.job(first), surface.job(second))


@verbs.command("wait")
@some_jobs
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0), help="Give up waiting after so many seconds; the jobs go on."
)
@facts_verb
def wait_verb(surface: Surface, jobs: Sequence[str], timeout_s: float | None) -> Table:
    """Waits until jobs have ended; the exit code says how."""
    found = [surface.job(j) for j in jobs]
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    for job in found:
        try:
            record = job.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            surface.exit_code = EXIT_TIMED_OUT
            break
        surface.exit_code = max(surface.exit_code, exit_code(record))
    wanted = {j.id for j in found}
    return jobs_table([s for s in surface.service.jobs() if s.id in wanted])


def exit_code(record: JobRecord) -> int:
    if record.state is State.TIMED_OUT:
        return EXIT_TIMED_OUT
    return EXIT_OK if record.state is State.COMPLETED else EXIT_JOB_FAILED


@verbs.command("fetch")
@one_job
@click.argument("names", nargs=-1)
@click.option("--force", is_flag=True, help="Also over values that changed since the job was submitted.")
@facts_verb
def fetch_verb(surface: Surface, job: str, names: Sequence[str], force: bool) -> Text:
    """Brings variables of a job back: NAME, or NAME=NEW_NAME; all of them by default.

    In a notebook they become variables; in a terminal they are printed.
    """
    found = surface.job(job)
    mapping = {n.partition("=")[0]: n.partition("=")[2] or n for n in names}
    bad = [here for here in mapping.values() if not here.isidentifier()]
    if bad:
        raise InvalidOptionError(f"{bad[0]!r} is not a name of a variable.", advice="Write NAME or NAME=NEW_NAME.")
    into: MutableMapping[str, Any] = {} if surface.namespace is None else surface.namespace
    fetched = found.fetch(into, mapping or None, force=force)
    lines = [f"{n} = {_shown(into[n])}" for n in fetched.names]
    if surface.namespace is not None and fetched.names:
        lines = [f"In the notebook now, from job {short_id(found.id)}: {', '.join(fetched.names)}."]
    stays = [f"{why} {found.way_out(name)}" for name, why in fetched.stays.items()]
    if stays and names:  # what was asked for by name and did not come is an error, after the rest has come
        raise CaptureError(" ".join([*lines, *stays]))
    absent = [] if names else [f"{name!r} did not come back: {why}" for name, why in found.absent.items()]
    text = "\n".join([*lines, *stays, *absent])
    return Text(text or "The job brought no variables back.", {n: _jsonable(into[n]) for n in fetched.names})


def _shown(value: Any) -> str:
    """An address says nothing to anybody: such a value is told by its type."""
    words = repr(value)
    return f"<{type(value).__name__}>" if re.search(r" object at 0x[0-9a-f]+>$", words) else words


def _jsonable(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value))
    except (TypeError, ValueError):
        return repr(value)


@verbs.command("outputs")
@one_job
@click.option(
    "--notebook", type=click.Path(dir_okay=False, path_type=Path), help="Write them into this notebook file instead."
)
@facts_verb
def outputs_verb(surface: Surface, job: str, notebook: Path | None) -> Text:
    """Shows the outputs of a job as its kernel would have shown them."""
    found = surface.job(job)
    if notebook is not None:
        if found.size is not None:
            raise InvalidOptionError(
                f"Job {short_id(found.id)} is an array: each element has outputs of its own.",
                advice=f"Ask for one of them: {short_id(found.id)}.0",
            )
        if not notebook.parent.is_dir():
            raise InvalidOptionError(f"There is no folder {notebook.parent}.", advice="Make it, or name another file.")
        attempt = found.folder.latest_attempt()
        if attempt is None or not attempt.notebook.exists():
            raise UnknownNameError(f"Job {short_id(found.id)} has no sealed outputs yet.")
        try:
            notebook.write_bytes(attempt.notebook.read_bytes())
        except OSError as error:
            raise UserError(f"{notebook} cannot be written: {error.strerror}.") from error
        return Text(f"Wrote {notebook}.", {"notebook": str(notebook)})
    from qhub_ext.display.outputs import display_outputs, outputs_text

    if surface.namespace is not None:
        display_outputs(found.outputs)
        return Text("", found.outputs)
    return Text(outputs_text(found.outputs).rstrip("\n"), found.outputs)


@verbs.command("compare")
@some_jobs
@click.option("--name", help="The variable that holds the counts; default: the only one that does.")
@click.option("-n", "--most", type=click.IntRange(1), default=12, show_default=True, help="Outcomes to show.")
@facts_verb
def compare_verb(surface: Surface, jobs: Sequence[str], name: str | None, most: int) -> Page:
    """Puts the counts of jobs side by side and says which differences the shots explain."""
    from qhub_ext.comparison import compare_jobs

    return compare_jobs([surface.job(j) for j in jobs], name, most)


@verbs.command("trace")
@some_jobs
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it as one page, to open in a browser.",
)
@click.option("--logs", is_flag=True, help="Show with it what the job printed, and when.")
@click.option("--export", is_flag=True, help="Send a collector of OpenTelemetry what it has not got of it.")
@facts_verb
def trace_verb(surface: Surface, jobs: Sequence[str], page: Path | None, logs: bool, export: bool) -> Any:
    """Where the time of a job went: its spans, the parts of its wall time, and what to change; several jobs side by side."""
    from qhub_ext.trace_verbs import export_spans, trace_view

    if export:
        return export_spans([surface.job(job) for job in jobs])
    return trace_view(surface, jobs, page=page, logs=logs)


@verbs.command("doctor")
@click.option("--settings", "show_settings", is_flag=True, help="List every setting with its value and meaning.")
@facts_verb
def doctor_verb(surface: Surface, show_settings: bool) -> Table:
    """Checks the way of a job from end to end and says what to mend."""
    if show_settings:
        return settings_table(surface)
    findings = surface.service.doctor()
    signs = {"ok": "✓ ok", "warning": "! warning", "failure": "✗ failure"}
    if any(f.level == "failure" for f in findings):
        surface.exit_code = EXIT_ENVIRONMENT
    return Table(
        ("", "checked", "what to do"),
        [(signs.get(f.level, f.level), f.what, f.advice) for f in findings],
        facts=[vars(f) for f in findings],
    )


def settings_table(surface: Surface) -> Table:
    from qhub_ext.settings import describe_settings, describe_tables

    rows = []
    inside = describe_tables()
    for dotted, _, sentence in describe_settings():
        value: Any = surface.service.settings
        for part in dotted.split("."):
            value = getattr(value, part)
        keys = [(key, told) for table, key, told in inside if table == dotted]
        if not keys:
            rows.append((dotted, json.dumps(value, default=str), sentence))
            continue
        rows.append((dotted, json.dumps(list(value) if isinstance(value, dict) else len(value)), sentence))
        for key, told in keys:
            named = value.items() if isinstance(value, dict) else enumerate(value)
            given = {str(name): getattr(one, key) for name, one in named if key in one.model_fields_set}
            rows.append(
                (f"{dotted}.{'NAME' if isinstance(value, dict) else 'N'}.{key}", json.dumps(given, default=str), told)
            )
    facts = {name: json.loads(value) for name, value, _ in rows}
    return Table(("setting", "value", "meaning"), rows, facts=facts, widths={"value": 50})


def job_page(job: Job) -> str:
    """A job at length, for a terminal."""
    record = job.record
    lines = [card_text(record), "", f"  folder      {plain(str(job.folder.path))}"]
    if record.state.final and record.spec.size is None:
        variables = ", ".join(job.results()) or "none"
        lines.append(f"  variables   {variables}")
    waits = "" if record.state.waiting or record.state.final else job.service.waits_at_broker(job.id)
    if waits:
        lines.append(f"  waits       {plain(waits)}")
    if record.qpu_s is not None:
        lines.append(f"  device      {duration(record.qpu_s)} of QPU")
    lines.extend(f"  device      {plain(fate.sentence)} {fate.advice}".rstrip() for fate in job.service.fates(job.id))
    lines.extend(
        f"  attempt {a.number}   {state_words(a.state)}" + (f": {plain(a.message)}" if a.message else "")
        for a in record.attempts
        if len(record.attempts) > 1
    )
    return "\n".join(lines)
