"""The group that all verbs are in: `--json`, jobs by number, words for slips."""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
from collections.abc import Callable
from typing import Any

import click

from qhub_ext.capture.options import OPTIONS, OTHER_OPTIONS
from qhub_ext.display.tables import Text
from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.job.identity import short_id
from qhub_ext.nearest import meant, nearest
from qhub_ext.service import Job, Jobs, JobService
from qhub_ext.tiers import catalog
from qhub_ext.verbs.surface import Surface


def complete_job(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """Names of jobs for the shell's completion."""
    return [s for s in (short_id(i) for i in JobService().shelf.ids()[:50]) if s.startswith(incomplete)]


def complete_device(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    return [d for d in catalog.names() if d.startswith(incomplete)]


class Amount(click.FloatRange):
    """Of something: `nan` passes every bound, and `inf` has no end."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value} is no amount.", param, ctx)
        return found


LONGEST_SENTENCE = 300
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


OTHER_VERBS = {
    **dict.fromkeys(("ls", "list", "ps", "history", "sacct"), "jobs"),
    **dict.fromkeys(("status", "state", "info", "describe", "stat"), "job jobs"),
    **dict.fromkeys(("kill", "stop", "abort", "terminate", "scancel", "qdel"), "cancel"),
    **dict.fromkeys(("rm", "del", "delete", "remove", "clean"), "prune cancel"),
    **dict.fromkeys(("show", "output", "print", "cat"), "outputs logs"),
    **dict.fromkeys(("get", "result", "results", "variables", "download"), "fetch"),
    **dict.fromkeys(("submit", "start", "sbatch", "qsub", "exec"), "run"),
    **dict.fromkeys(("restart", "retry", "resubmit", "again", "repeat"), "rerun requeue"),
    **dict.fromkeys(("backends", "backend", "qpus", "machines"), "devices"),
    **dict.fromkeys(("squeue", "qstat", "top", "pending"), "queue"),
    **dict.fromkeys(("eta", "when", "forecast"), "estimate"),
    **dict.fromkeys(("why", "reason", "diagnose", "error"), "explain"),
    **dict.fromkeys(("health", "selftest", "debug"), "doctor"),
    **dict.fromkeys(("time", "timeline", "spans"), "trace"),
    **dict.fromkeys(("resume", "unhold", "continue"), "release"),
    **dict.fromkeys(("pause", "suspend"), "hold"),
}
"""What other programs call it."""


def slip_sentence(error: click.ClickException) -> str:
    """What click found wrong with a command, and where its help is, on one line."""
    ctx = getattr(error, "ctx", None)
    said = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption) and ctx is not None:
        flags = [flag for one in ctx.command.get_params(ctx) if isinstance(one, click.Option) for flag in one.opts]
        near = nearest(error.option_name, [flag for flag in flags if flag.startswith("--")], OTHER_OPTIONS)
        said = f"{error.message} {meant(near)}" if near else error.message
    more = _more_about(error, ctx)
    help_at = f"`{ctx.command_path} --help` says what it takes." if ctx is not None else ""
    return " ".join(part for part in (said, more, help_at) if part)


def _more_about(error: click.ClickException, ctx: click.Context | None) -> str:
    by_flag = {option.flag: option for option in OPTIONS} | {f"-{o.short}": o for o in OPTIONS if o.short}
    if isinstance(error, click.NoSuchOption) and ctx is not None:
        if ctx.parent is None and error.option_name in by_flag:
            return (
                f"It is one of `%%qpu` at the top of a cell, and of `%qpu use`: `%qpu use {error.option_name} ...`."
                if ctx.command_path.startswith("%")
                else f"It stands behind the verb: `qhub run FILE {error.option_name} ...`."
            )
        return "What is the script's own goes behind `--`." if ctx.info_name == "run" else ""
    if isinstance(error, click.MissingParameter) and error.param is not None and error.param.name in JOB_ARGUMENTS:
        return "-1 is your latest job."
    if isinstance(error, click.BadOptionUsage) and error.option_name in by_flag:
        accepts = by_flag[error.option_name].accepts
        return f"It accepts {accepts}." if accepts else ""
    return ""


class Verb(click.Command):
    """Where a verb takes jobs, `-1` is one, `-1.7` an element of it, and neither an option."""

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
            f"~{word[1:]}"
            if at < end and before[at] not in takes_value and re.fullmatch(r"-[0-9]+(\.[0-9]+)?", word)
            else word
            for at, word in enumerate(args)
        ]


class VerbGroup(click.Group):
    """Unknown verbs are answered with the nearest ones; the list of verbs has the first sentence of each, whole."""

    command_class = Verb
    group_class = type

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        rows = [(name, verb.get_short_help_str(LONGEST_SENTENCE)) for name, verb in found if verb and not verb.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] == "help":  # as git and others have it
            args = [*args[1:], "--help"]
            if args == ["--help"]:
                click.echo(ctx.get_help())
                ctx.exit()
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            there = OTHER_VERBS.get(args[0], args[0])
            if there in ELSEWHERE and self.get_command(ctx, there) is None:
                what, instead = ELSEWHERE[there]
                raise InvalidOptionError(what, advice=instead)
            raise UnknownNameError.among("verb", args[0], self.list_commands(ctx), words=OTHER_VERBS)
        return super().resolve_command(ctx, args)


@click.group(
    cls=VerbGroup,
    invoke_without_command=True,
    epilog="Exit codes: 0 done; 1 a job that did not complete, or a verb that was refused; 2 a slip in the command; 4 the site scheduler; "
    "5 environment, settings or job folder; 124 a time limit; 130 interrupted.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.pass_context
def verbs(ctx: click.Context) -> Any:
    """Quantum cells as batch jobs: tiers, devices, queue and your jobs.

    JOB is a job's id, the short id behind its hyphen, its name, or -1 for your latest job; with .3 behind it, that element of an
    array.
    """
    if ctx.invoked_subcommand is None:
        from qhub_ext.verbs.overview import overview

        return overview(ctx.obj)
    return None


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
