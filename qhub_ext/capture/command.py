"""The options of `%%qpu`, `%qpu` and `qhub`: one table, from which parsers, help pages and completion are made.

A line is read here into a `Request`: only what was asked for, in our units. Defaults are the service's to fill in.
IPython has replaced `{name}` and `$name` in the line of a cell magic before we see it.
"""

from __future__ import annotations

import keyword
import shlex
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from qhub_ext.capture.quantity import ACCEPTED_SIZES, ACCEPTED_TIMES, parse_memory, parse_time
from qhub_ext.capture.slips import meant_option, unquoted_value
from qhub_ext.capture.sweep import ACCEPTED as ACCEPTED_SWEEPS
from qhub_ext.capture.sweep import Sweep, elements, parse_sweep
from qhub_ext.errors import InvalidOptionError, UnknownNameError
from qhub_ext.job.context import TIERS

Kind = Literal[
    "text", "tier", "count", "seed", "time", "memory", "names", "jobs", "sweep", "pair", "flag", "name", "variable"
]
LONGEST_NAME = 200


@dataclass(frozen=True)
class Option:
    """`setting` is the dotted name of the setting that holds the default; `metavar` is empty for a switch."""

    name: str
    kind: Kind
    help: str
    group: str
    short: str = ""
    metavar: str = ""
    setting: str = ""
    accepts: str = ""

    @property
    def flag(self) -> str:
        return f"--{self.name}"

    @property
    def key(self) -> str:
        """The field of `Request`."""
        return _FIELDS.get(self.name, self.name.replace("-", "_"))

    def sentence(self) -> str:
        """What it is, what it accepts and what holds without it."""
        accepts = f" Accepts {self.accepts}." if self.accepts and self.kind != "tier" else ""
        default = f" Default: the setting {self.setting}." if self.setting else ""
        return self.help + accepts + default

    @property
    def repeatable(self) -> bool:
        return self.kind in {"names", "jobs", "sweep", "pair"}


_FIELDS = {
    "in": "inputs",
    "out": "outputs",
    "time": "time_s",
    "memory": "memory_mb",
    "site-option": "site_options",
    "sweep": "sweeps",
    "as": "variable",
}

WHERE, HOW, DATA, SITE = "Where it runs", "How it runs", "What goes along and comes back", "For the site scheduler"

OPTIONS: tuple[Option, ...] = (
    Option("tier", "tier", "Where to run: local (ideal), emulation (with the device's noise) or qpu (the device); with commas one job each.", WHERE, "t", "TIER", "tier", ", ".join(TIERS)),
    Option("device", "text", "The device that the tier stands for; `%qpu devices` lists them. Or what it should be like: \"qubits>=100, 2q<3e-3, least busy\".", WHERE, "d", "NAME", "device"),
    Option("site", "text", "The site scheduler to queue at.", WHERE, "", "NAME", "site"),
    Option("profile", "text", "Policy class, such as development or production.", WHERE, "p", "NAME", "profile"),
    Option("shots", "count", "Shots of a sampler that names none.", HOW, "s", "N", "shots", "a whole number from 1 on"),
    Option("seed", "seed", "Seed of the simulation.", HOW, "", "N", "", "a whole number from 0 on"),
    Option("time", "time", "Wall time after which the job is stopped.", HOW, "T", "TIME", "limits.time_s", ACCEPTED_TIMES),
    Option("sweep", "sweep", "An array of jobs, one per value; several sweeps make their product.", HOW, "", "NAME=VALUES", "", ACCEPTED_SWEEPS),
    Option("after", "jobs", "Start when these jobs have completed.", HOW, "", "JOB", "", "ids of jobs, with commas"),
    Option("wait", "flag", "Wait for the end and bring the names back; an interrupt detaches and does not cancel.", HOW, "w"),
    Option("dry-run", "flag", "Show the script, what would go along and how large it is; submit nothing.", HOW, "n"),
    Option("cold", "flag", "Start a kernel that has imported nothing yet, even where one is kept ready.", HOW),
    Option("profile-classical", "flag", "Note which functions of the cell's own Python take its time; it runs slower meanwhile.", HOW),
    Option("profile-sampled", "flag", "The same by py-spy, which looks on from outside and slows nothing; it must be installed where the job runs.", HOW),
    Option("name", "name", "What the job is called in lists.", HOW, "", "TEXT", "", f"up to {LONGEST_NAME} characters"),
    Option("as", "variable", "Variable of the notebook that will hold the Job.", DATA, "", "NAME"),
    Option("in", "names", "Names that go along, beside those that the cell is seen to read.", DATA, "i", "NAMES", "", "names, with commas"),
    Option("without", "names", "Names that stay behind although the cell mentions them.", DATA, "x", "NAMES", "", "names, with commas"),
    Option("out", "names", "Names that come back; default: all that the cell binds.", DATA, "o", "NAMES", "", "names, with commas"),
    Option("cpus", "count", "CPUs of the job.", SITE, "c", "N", "", "a whole number from 1 on"),
    Option("memory", "memory", "Memory of the job.", SITE, "m", "SIZE", "limits.memory_mb", ACCEPTED_SIZES),
    Option("account", "text", "Account that the site charges.", SITE, "A", "NAME"),
    Option("partition", "text", "Partition of the site.", SITE, "", "NAME"),
    Option("site-option", "pair", "Anything else that the site scheduler understands.", SITE, "", "KEY=VALUE", "", "KEY=VALUE"),
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """What a line asked for; None or empty where it said nothing. `time_s` in s, `memory_mb` in MiB."""

    tier: str | None = None
    device: str | None = None
    site: str | None = None
    profile: str | None = None
    shots: int | None = None
    seed: int | None = None
    time_s: int | None = None
    sweeps: tuple[Sweep, ...] = ()
    after: tuple[str, ...] = ()
    wait: bool = False
    dry_run: bool = False
    cold: bool = False
    profile_classical: bool = False
    profile_sampled: bool = False
    name: str | None = None
    inputs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    outputs: tuple[str, ...] | None = None
    cpus: int | None = None
    memory_mb: int | None = None
    account: str | None = None
    partition: str | None = None
    site_options: dict[str, str] = field(default_factory=dict)
    variable: str | None = None

    @property
    def given(self) -> dict[str, Any]:
        """Only what was asked for, JSON-ready: for the record of the job and for a notebook's own defaults."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name == "sweeps":
                value = {sweep.name: list(sweep.values) for sweep in value}
            if value or (value is not None and value is not False and not isinstance(value, (tuple, dict))):
                found[each.name] = list(value) if isinstance(value, tuple) else value
        return found

    @property
    def tiers(self) -> tuple[str | None, ...]:
        """`--tier local,emulation` asks for one job per tier."""
        return tuple(self.tier.split(",")) if self.tier else (None,)

    def over(self, chosen: Mapping[str, Any]) -> Request:
        """The same request, with what a notebook has chosen where the line says nothing."""
        return replace(self, **{key: value for key, value in chosen.items() if getattr(self, key) in (None, ())})

    @property
    def elements(self) -> list[dict[str, Any]]:
        """The values that each element of the array sees; empty for an ordinary job."""
        return elements(self.sweeps)


def parse_line(line: str, namespace: Mapping[str, Any] | None = None, options: tuple[Option, ...] = OPTIONS) -> Request:
    """Raises UnknownNameError for an option, tier or list that does not exist, InvalidOptionError for a value."""
    words = split_line(line)
    request, rest = parse_words(words, namespace, options)
    if rest:
        raise InvalidOptionError(
            f"{rest[0]!r} belongs to no option.{_meant(rest[0], words, options)}", advice="`%%qpu?` shows them all."
        )
    return request


def _meant(stray: str, words: list[str], options: tuple[Option, ...]) -> str:
    whole = unquoted_value(stray, words, options)
    if whole:
        return f" Words with spaces stand in quotes: {whole}."
    return f" Did you mean --tier {stray}?" if stray in TIERS else ""


CHOICES = ("tier", "device", "shots", "seed", "profile", "time_s", "cpus", "memory_mb", "site")
"""Fields of a Request that may hold for a whole notebook."""
_UNITS = {"time_s": "s", "memory_mb": "M"}


def request_from_json(wanted: Any, *, strict: bool = True) -> Request:
    """What a front end or a notebook's metadata chose, by the names of CHOICES: {"tier": "emulation", "shots": 200}.

    Read by the readers of the line; null chooses nothing. Names that are no choice are left out unless `strict`.
    """
    if not isinstance(wanted, dict):
        raise InvalidOptionError("A choice is an object of names and values, such as {'tier': 'local'}.")
    flags = {option.key: option.flag for option in OPTIONS if option.key in CHOICES}
    unknown = [name for name in wanted if name not in flags]
    if unknown and strict:
        raise UnknownNameError.among("choice", str(unknown[0]), list(CHOICES))
    words = [f"{flags[n]}={v}{_UNITS.get(n, '')}" for n, v in wanted.items() if n in flags and v is not None]
    request, _ = parse_words(words)
    if len(request.tiers) > 1:
        raise InvalidOptionError("A notebook has one tier at a time.", advice=f"It was given {request.tier}.")
    return request


_OF_A_LINE = {"wait", "dry-run", "as"}


def request_from_keywords(options: Mapping[str, Any]) -> Request:
    """What a program asks for: {"tier": "emulation", "time": "10m", "inputs": ["a"]}, by the names of options or of fields.

    Read by the readers of the line; None asks for nothing.
    """
    by_name = {option.key: option for option in OPTIONS if option.name not in _OF_A_LINE}
    by_name |= {option.name.replace("-", "_"): option for option in by_name.values()}
    words: list[str] = []
    lists: dict[str, Any] = {}
    for name, value in options.items():
        if name not in by_name:
            raise UnknownNameError.among("option", name, sorted(by_name))
        option = by_name[name]
        if option.kind == "flag":
            words += [option.flag] * bool(value)
        elif isinstance(value, Mapping) and option.kind == "sweep":
            lists |= value
            words += [f"{option.flag}={each}={each}" for each in value]
        elif isinstance(value, Mapping):
            words += [f"{option.flag}={key}={each}" for key, each in value.items()]
        elif isinstance(value, (list, tuple)):
            words += [f"{option.flag}={each}" for each in value]
        elif value is not None:
            words.append(f"{option.flag}={value}{_UNITS.get(name, '')}")
    request, _ = parse_words(words, lists)
    if len(request.tiers) > 1:
        raise InvalidOptionError("One job has one tier.", advice="Submit it once per tier.")
    return request


def without_comment(line: str) -> str:
    """What stands before ` # `, as people write beside a line of Python; not inside quotes, and not `#3`."""
    quote, before, escaped = "", " ", False
    for at, letter in enumerate(line):
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'":
            escaped = True
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "#" and before.isspace() and (line[at + 1 : at + 2] or " ").isspace():
            return line[:at]
        before = letter
    return line


def split_line(line: str) -> list[str]:
    """Words as a shell would see them: quotes keep spaces together, a backslash takes the next character as it is, a comment is none of them."""
    try:
        return shlex.split(without_comment(line))
    except ValueError as error:
        said = str(error).lower().rstrip(".")
        raise InvalidOptionError(
            f"The line cannot be read: {said}.", advice="Close the quote, or double the backslash."
        ) from None


def parse_words(
    words: Iterable[str], namespace: Mapping[str, Any] | None = None, options: tuple[Option, ...] = OPTIONS
) -> tuple[Request, list[str]]:
    """The request and the words that belong to no option, in order; everything behind `--` is among these."""
    by_flag = {option.flag: option for option in options} | {f"-{o.short}": o for o in options if o.short}
    found: dict[str, Any] = {}
    rest: list[str] = []
    queue = list(words)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += queue
            break
        refuse_other_dashes(word, options)
        if not word.startswith("-") or word == "-":
            rest.append(word)
            continue
        flag, equals, attached = word.partition("=")
        option = by_flag.get(flag)
        if option is None and not flag.startswith("--") and word[:2] in by_flag:
            option, equals, attached = by_flag[word[:2]], "=", word[2:]  # -s4000
        if option is None:
            known = sorted(o.flag for o in options)
            raise UnknownNameError.among("option", flag, known)
        if option.kind == "flag":
            if attached and flag != option.flag and not word.startswith(f"{word[:2]}="):  # -nw
                queue.insert(0, f"-{attached}")
            elif equals:
                raise InvalidOptionError(f"{option.flag} takes no value.")
            found[option.key] = True
            continue
        if not equals:
            if not queue or (queue[0] in by_flag and not option.kind == "name"):
                raise InvalidOptionError(
                    f"{flag} needs a value ({option.metavar}).",
                    advice=f"It accepts {option.accepts}." if option.accepts else "",
                )
            attached = queue.pop(0)
        _take(found, option, attached, namespace or {})
    request = Request(**found)
    request.elements  # noqa: B018 - two sweeps of one name, or too many elements, are errors of the line
    return request, rest


def refuse_other_dashes(word: str, options: tuple[Option, ...] = OPTIONS) -> None:
    """Raises UnknownNameError for `-tier` and `—tier`."""
    meant = meant_option(word, options)
    if meant:
        raise UnknownNameError(f"There is no option {word!r}.", advice=f"Did you mean {meant}?")


def _take(found: dict[str, Any], option: Option, text: str, namespace: Mapping[str, Any]) -> None:
    value = _READERS[option.kind](option, text, namespace)
    if option.kind == "pair":
        found.setdefault(option.key, {}).update(value)
    elif option.repeatable:
        known = found.get(option.key, ())
        found[option.key] = known + tuple(
            new for n, new in enumerate(value) if new not in known and new not in value[:n]
        )
    else:
        found[option.key] = value


def _text(option: Option, text: str, _: Mapping[str, Any]) -> str:
    if not text.strip() or any(ord(char) < 32 for char in text):
        raise InvalidOptionError(f"{option.flag} {text!r} is not a {option.metavar.lower()}.")
    return text.strip()


def _tier(_option: Option, text: str, _: Mapping[str, Any]) -> str:
    tiers = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for tier in tiers or [text]:
        if tier not in TIERS:
            raise UnknownNameError.among("tier", tier, list(TIERS))
    return ",".join(tiers)


def _count(option: Option, text: str, _: Mapping[str, Any], least: int = 1) -> int:
    plain = text.replace("_", "").strip()
    if not (plain.isascii() and plain.isdigit()) or int(plain[:19]) < least:
        raise InvalidOptionError(f"{option.flag} {text!r} is not accepted.", advice=f"It accepts {option.accepts}.")
    if len(plain) > 18:
        raise InvalidOptionError(f"{option.flag} {text} is too large.", advice="It accepts up to 18 digits.")
    return int(plain)


def _seed(option: Option, text: str, namespace: Mapping[str, Any]) -> int:
    return _count(option, text, namespace, least=0)


def _name(_option: Option, text: str, _: Mapping[str, Any]) -> str:
    if not text.strip():
        raise InvalidOptionError("--name is empty.")
    if len(text) > LONGEST_NAME:
        raise InvalidOptionError(f"--name has {len(text)} characters; at most {LONGEST_NAME} are kept.")
    if "\0" in text:
        raise InvalidOptionError("--name holds a null character, which no file or process can carry.")
    if text[0] == "-" and text[1:].isdecimal():
        raise InvalidOptionError(
            f"--name {text!r} is how one of the latest jobs is called: -1 is the latest, -2 the one before.",
            advice="Write a name with a letter in it.",
        )
    return text


def _names(option: Option, text: str, _: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if not name.isidentifier():
            raise InvalidOptionError(
                f"{option.flag}: {name!r} is not a name.", advice="It accepts names with commas: a,b,c."
            )
    return names


def _variable(option: Option, text: str, _: Mapping[str, Any]) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise InvalidOptionError(f"{option.flag} {text!r} is not a name that a variable can have.")
    return text


def _jobs(option: Option, text: str, _: Mapping[str, Any]) -> tuple[str, ...]:
    jobs = tuple(part.strip() for part in text.split(",") if part.strip())
    if not jobs:
        raise InvalidOptionError(f"{option.flag} names no job.", advice=f"It accepts {option.accepts}.")
    return jobs


def _sweep(_option: Option, text: str, namespace: Mapping[str, Any]) -> tuple[Sweep, ...]:
    return (parse_sweep(text, namespace),)


def _pair(option: Option, text: str, _: Mapping[str, Any]) -> dict[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip() or any(char.isspace() or ord(char) < 33 for char in key.strip()):
        raise InvalidOptionError(f"{option.flag} {text!r} is not KEY=VALUE.")
    return {key.strip(): value}


_READERS: dict[str, Callable[[Option, str, Mapping[str, Any]], Any]] = {
    "text": _text,
    "tier": _tier,
    "count": _count,
    "seed": _seed,
    "time": lambda option, text, _: parse_time(text, option.flag),
    "memory": lambda option, text, _: parse_memory(text, option.flag),
    "names": _names,
    "jobs": _jobs,
    "sweep": _sweep,
    "pair": _pair,
    "name": _name,
    "variable": _variable,
}


def help_page(usage: str = "%%qpu [options]", options: tuple[Option, ...] = OPTIONS, *, width: int = 100) -> str:
    """Plain text, by group: what `%%qpu?` shows."""
    lines = [usage]
    head = max(len(_heading(option)) for option in options) + 2
    for group in dict.fromkeys(option.group for option in options):
        lines += ["", f"{group}:"]
        for option in options:
            if option.group == group:
                said = textwrap.wrap(option.sentence(), max(20, width - head - 2))
                lines.append(f"  {_heading(option):<{head}}{said[0]}")
                lines += [" " * (head + 2) + more for more in said[1:]]
    return "\n".join(lines)


def _heading(option: Option) -> str:
    short = f"-{option.short}, " if option.short else "    "
    return f"{short}{option.flag} {option.metavar}".rstrip()
