"""The terminal's front end: `qhub VERB`. The verbs are those of `%qpu`; here are `run`, printing and exit codes.

Exit codes: 0 done; 1 a job that did not complete, or a verb that was refused; 2 a slip in the command; 4 the site
scheduler; 5 the environment, settings or job folder; 124 a time limit; 130 interrupted.
"""

from __future__ import annotations

import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

import qhub_ext
from qhub_ext.capture.command import parse_words, refuse_other_dashes
from qhub_ext.capture.options import OPTIONS, Option
from qhub_ext.capture.sweep import ACCEPTED_ANYWHERE
from qhub_ext.display.progress import Progress
from qhub_ext.display.tables import Page, Table, Text
from qhub_ext.errors import InvalidOptionError, JobFailedError, QhubError, QhubWarning, SiteError, UserError
from qhub_ext.job.context import TIERS
from qhub_ext.preview import preview_text
from qhub_ext.service import Job, Jobs, JobService
from qhub_ext.service.jobs import read_source
from qhub_ext.verbs import Surface, slip_sentence, verbs
from qhub_ext.verbs.group import Verb, complete_device, facts_verb
from qhub_ext.verbs.jobs import job_page
from qhub_ext.verbs.results import for_terminal
from qhub_ext.verbs.surface import (
    EXIT_ENVIRONMENT,
    EXIT_INTERRUPTED,
    EXIT_JOB_FAILED,
    EXIT_OK,
    EXIT_SITE,
    EXIT_USAGE,
    exit_code,
)


def _click_option(option: Option) -> Callable[[Any], Any]:
    flags = [option.flag, option.key, *([f"-{option.short}"] if option.short else [])]
    if option.kind == "flag":
        return click.option(*flags, is_flag=True, help=option.sentence())
    complete = complete_device if option.name == "device" else None
    metavar = "NAME" if option.kind == "tier" else option.metavar
    return click.option(
        *flags,
        multiple=True,
        metavar=metavar,
        help=option.sentence(),
        shell_complete=complete,
    )


def submit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `%%qpu`, from the same table. Their values are read by the same parser."""
    for option in reversed(SUBMIT_OPTIONS):
        function = _click_option(option)(function)
    return function


# where the notebook's words do not fit
TERMINAL_HELP = {
    "wait": "Wait for the end and show what it printed; an interrupt leaves the job running.",
    "device": 'The device that the tier stands for; `qhub devices` lists them. Or what it should be like: "qubits>=100, 2q<3e-3, least busy".',
    "sweep": "An array of jobs, one per value of a variable of the script; several sweeps make their product.",
    "out": "Names that come back; default: all that the script binds.",
}
TERMINAL_ACCEPTS = {"sweep": ACCEPTED_ANYWHERE}
# a terminal has no variables to take along or to put a Job into
SUBMIT_OPTIONS = tuple(
    replace(o, help=TERMINAL_HELP.get(o.name, o.help), accepts=TERMINAL_ACCEPTS.get(o.name, o.accepts))
    for o in OPTIONS
    if o.name not in {"as", "in", "without"}
)


def _words(options: dict[str, Any]) -> list[str]:
    words = []
    for option in SUBMIT_OPTIONS:
        value = options[option.key]
        if option.kind == "flag":
            words += [option.flag] * bool(value)
        else:
            words += [f"{option.flag}={one}" for one in value]
    return words


class RunVerb(Verb):
    """What stands behind `--` is the script's; before it a slip is not taken for an argument of the script."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        whole = "--" not in args
        for word in args if whole else args[: args.index("--")]:
            refuse_other_dashes(word)
        rest = super().parse_args(ctx, args)
        for word in ctx.params.get("arguments") or ():
            if whole and word in TIERS:
                raise InvalidOptionError(
                    f"{word!r} stands where the script's own arguments do.",
                    advice=f"Did you mean --tier {word}? Behind `--` it goes to the script.",
                )
        return rest


@verbs.command("run", cls=RunVerb)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@submit_options
@facts_verb
def run(surface: Surface, file: Path, arguments: tuple[str, ...], *, as_json: bool, **options: Any) -> Any:
    """Submits the Python script or notebook FILE as a job; what follows `--` becomes a script's sys.argv."""
    request, _ = parse_words(_words(options), None, SUBMIT_OPTIONS)
    kind = "notebook" if file.suffix == ".ipynb" else "script"
    source = read_source(file)
    if request.name is None:
        request = replace(request, name=file.name)
    service = surface.service
    drafts = [
        service.draft(replace(request, tier=tier), source, kind=kind, file=str(file.resolve()), arguments=arguments)
        for tier in request.tiers
    ]
    for warning in drafts[0].warnings:
        click.echo(f"Note: {warning}", err=True)
    if request.dry_run:
        from qhub_ext.service.outlook import outlook_of

        text = "\n\n".join(preview_text(d, service.script(d), outlook_of(service, d, {})) for d in drafts)
        return Text(text, [draft.spec.to_json() for draft in drafts])
    jobs = Jobs(service.submit(draft) for draft in drafts)
    if request.wait:
        for job in jobs:
            _wait(surface, job)
            if not as_json:
                surface.write(for_terminal(job.logs()))
    return jobs if len(jobs) > 1 else jobs[0]


def _wait(surface: Surface, job: Job) -> None:
    """Shows where the job is; an interrupt leaves it running."""
    with Progress(job.id) as progress:
        try:
            record = job.wait(progress=progress.show)
        except KeyboardInterrupt:
            surface.exit_code = EXIT_INTERRUPTED
            progress.close()
            click.echo("Waiting was interrupted; the job goes on.", err=True)
            return
    surface.exit_code = max(surface.exit_code, exit_code(record))


@verbs.command("virtual-qpu")
@click.option(
    "--device", "devices", multiple=True, help="Device to stand for, or NAME=DEVICE (repeatable); default: any."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; default: a free one.")
@click.option(
    "--speed", type=click.FloatRange(0, min_open=True), help="10 makes a second of the device a tenth of one."
)
@click.option("--cycle", help="Time from one calibration to the next, such as 2h; default: only when told to.")
@click.option("--window", default="10m", show_default=True, help="How long a calibration takes.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the drift from one calibration to the next.")
@click.option(
    "--replay",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Vendor's JSON of a real snapshot; several are gone through in turn instead of drifting (repeatable).",
)
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="Folder of its key and address.")
@click.pass_obj
def virtual_qpu(
    surface: Surface,
    devices: tuple[str, ...],
    port: int,
    speed: float | None,
    cycle: str | None,
    window: str,
    seed: int,
    replay: tuple[Path, ...],
    directory: Path | None,
) -> None:
    """Serves a virtual QPU (simulated) until it is interrupted; jobs of the tier qpu find it in its folder."""
    from qhub_ext.tiers.qpu.virtual import require_packages
    from qhub_ext.virtualqpu.__main__ import cycles_of, serve

    require_packages()
    settings = surface.service.settings.qpu
    cycles = cycles_of(cycle, window, seed, replay, devices)
    serve(directory or settings.virtual_directory, devices, port, speed or settings.virtual_speed, cycles)


@verbs.command("tutorials")
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path), required=False)
@facts_verb
def tutorials(surface: Surface, directory: Path | None) -> Page | Table:  # noqa: ARG001 - every verb is given it
    """Copies the tutorial notebooks into DIRECTORY, never over one that you changed; without DIRECTORY, lists them."""
    from qhub_ext.tutorials import copy_into, name_of, shipped, title_of, what_next

    if directory is None:
        rows = [(name_of(path), title_of(path)) for path in shipped()]
        facts = [{"notebook": name, "title": title} for name, title in rows]
        return Table(("notebook", "title"), rows, facts, empty="This installation has no tutorials.")
    copies = [(str(copy.path), copy.title, copy.state) for copy in copy_into(directory)]
    facts = [{"notebook": path, "title": title, "here": state} for path, title, state in copies]
    return Page([Table(("notebook", "title", "here"), copies, facts), Text(what_next(directory))], facts)


@verbs.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_obj
def completion(surface: Surface, shell: str) -> None:
    """Prints the tab completion for your shell: `eval "$(qhub completion bash)"`."""
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    surface.write(kind(verbs, {}, "qhub", "_QHUB_COMPLETE").source() + "\n")


click.version_option(qhub_ext.__version__, prog_name="qhub")(verbs)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: Any = None,
    line: str | None = None,
) -> None:
    """A slip of the user is a line; where in our code it was noticed is nothing to a user."""
    if issubclass(category, QhubWarning):
        click.echo(f"qhub: {message}", err=True)
    else:
        print(warnings.formatwarning(message, category, filename, lineno, line), end="", file=file or sys.stderr)


def main(arguments: list[str] | None = None) -> NoReturn:
    surface: Surface | None = None
    warnings.showwarning = _warn
    try:
        surface = Surface(JobService())
        view = verbs.main(arguments, prog_name="qhub", standalone_mode=False, obj=surface)
        _show(view)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:  # `qhub broker`
        error.show()
        sys.exit(EXIT_USAGE)
    except click.ClickException as error:
        click.echo(f"qhub: {slip_sentence(error)}", err=True)
        sys.exit(EXIT_USAGE)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:  # `qhub jobs | head` is no error
        sys.stderr.close()
        sys.exit(EXIT_OK)
    except QhubError as error:
        click.echo(f"qhub: {error}", err=True)
        sys.exit(code_of(error))
    sys.exit(surface.exit_code)


def code_of(error: QhubError) -> int:
    if isinstance(error, UserError):
        return EXIT_USAGE
    if isinstance(error, SiteError):
        return EXIT_SITE
    if isinstance(error, JobFailedError):
        return EXIT_JOB_FAILED
    return EXIT_ENVIRONMENT


def _show(view: Any) -> None:
    if view is None or isinstance(view, int):
        return
    pages = [view] if isinstance(view, Job) else view if isinstance(view, Jobs) else []
    text = "\n\n".join(map(job_page, pages)) or view.to_text(
        shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    )
    if text:
        click.echo(for_terminal(text))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
