"""One sentence of advice about where the time of a job went: a table of rules, each a small function of the breakdown and a few counts. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qhub_ext.diagnosis.breakdown import Breakdown
from qhub_ext.diagnosis.trace import Trace

SHORT_S = 2.0
"""Of a job that took less, nothing is worth changing."""


@dataclass(frozen=True)
class Counts:
    """`tasks` are quantum calls, `circuits` executions in all of them, `transpilings` runs of a pass manager."""

    tier: str = ""
    tasks: int = 0
    circuits: int = 0
    transpilings: int = 0
    polls: int = 0
    profiled: bool = False
    virtual: bool = False


@dataclass(frozen=True)
class Advice:
    """`part` of the breakdown that it is about, and how much of the wall time that was."""

    part: str
    share: float
    sentence: str


Rule = Callable[[Breakdown, Counts], Advice | None]


def advise(breakdown: Breakdown, counts: Counts) -> Advice | None:
    """The rule about the largest part; None for a job that was short, or where no part stands out."""
    if breakdown.wall_s < SHORT_S:
        return None
    found = [advice for rule in RULES if (advice := rule(breakdown, counts)) is not None]
    return max(found, key=lambda advice: advice.share, default=None)


def counts_of(trace: Trace, tier: str, *, profiled: bool = False) -> Counts:
    tasks = [span for span in trace.spans if "qhub.task.primitive" in span.attributes]
    return Counts(
        tier=tier,
        tasks=len(tasks),
        circuits=sum(_whole(span.attributes.get("qhub.task.circuits")) for span in tasks),
        transpilings=sum(span.kind == "transpile" for span in trace.spans),
        polls=sum(_whole(span.attributes.get("qhub.task.polls")) for span in trace.spans),
        profiled=profiled,
        virtual=any(span.attributes.get("qhub.device.virtual") is True for span in trace.spans),
    )


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _about(breakdown: Breakdown, part: str, least: float, sentence: str) -> Advice | None:
    share = breakdown.share(part)
    if share < least:
        return None
    return Advice(part, share, f"{share:.0%} of this job {sentence}".replace("%", " %", 1))


def _many_small_tasks(b: Breakdown, c: Counts) -> Advice | None:
    if c.tasks < 5 or c.circuits > 2 * c.tasks:
        return None
    each = "one circuit each" if c.circuits == c.tasks else f"{c.circuits / c.tasks:.1f} circuits each"
    for part in ("transport", "broker queue", "device queue"):
        waited = {"transport": "waited in transport", "broker queue": "waited at the broker"}.get(part, "waited in the device's queue")  # fmt: skip
        found = _about(b, part, 0.2, f"{waited}: {c.tasks} tasks of {each}; send them as one PUB list.")
        if found is not None and b.share(part) == max(b.share(p) for p in ("transport", "broker queue", "device queue")):  # fmt: skip
            return found
    return None


def _transport(b: Breakdown, c: Counts) -> Advice | None:
    if c.tasks >= 5 and c.circuits <= 2 * c.tasks:
        return None
    told = "was transport: tasks on their way and results on their way back; fewer shots or smaller registers make results smaller."
    return _about(b, "transport", 0.3, told)


def _site_queue(b: Breakdown, _: Counts) -> Advice | None:
    told = "waited for the site; a shorter --time, or fewer CPUs and less memory, often starts sooner. `qhub explain` says what it waited for."
    return _about(b, "site queue", 0.4, told)


def _broker_queue(b: Breakdown, c: Counts) -> Advice | None:
    if c.tasks >= 5 and c.circuits <= 2 * c.tasks:
        return None
    told = "waited its turn at the broker, behind tasks that come before it; `qhub broker status` shows them, and which profile comes first."
    return _about(b, "broker queue", 0.3, told)


def _device_queue(b: Breakdown, c: Counts) -> Advice | None:
    if c.tasks >= 5 and c.circuits <= 2 * c.tasks:
        return None
    told = 'waited in the queue of the device itself; --device "least busy" chooses one with a shorter queue.'
    return _about(b, "device queue", 0.3, told)


def _transpile(b: Breakdown, c: Counts) -> Advice | None:
    if c.transpilings >= 10:
        told = f"transpiled, {c.transpilings} times: transpile one circuit with parameters once and give the values to the primitive, or give the pass manager a list."
    else:
        told = "transpiled; a lower optimization_level takes less, and a transpiled circuit can be kept and used again."
    return _about(b, "transpile", 0.25, told)


def _environment(b: Breakdown, _: Counts) -> Advice | None:
    told = "loaded inputs and imported packages; smaller inputs (--without) and fewer imports begin sooner, and one longer job pays it once."
    return _about(b, "environment", 0.3, told)


def _start(b: Breakdown, _: Counts) -> Advice | None:
    return _about(
        b, "start", 0.3, "started its runner and kernel; several cells in one job, or an array, share a start."
    )


def _simulated(b: Breakdown, c: Counts) -> Advice | None:
    if c.tier == "qpu":
        return None
    told = "simulated circuits; fewer shots, or the device itself, take less, and the task's record says which method was used and why."
    return _about(b, "quantum", 0.5, told)


def _on_device(b: Breakdown, c: Counts) -> Advice | None:
    if c.tier != "qpu":
        return None
    told = "was on the device" + (" (a virtual one)" if c.virtual else "") + ": that is what it waited for, and only fewer shots or circuits make it shorter."  # fmt: skip
    return _about(b, "quantum", 0.5, told)


def _classical(b: Breakdown, c: Counts) -> Advice | None:
    if c.profiled:
        return _about(b, "classical", 0.5, "was the cell's own Python; its profile is below.")
    return _about(b, "classical", 0.5, "was the cell's own Python; --profile-classical shows which functions.")


def _return(b: Breakdown, _: Counts) -> Advice | None:
    return _about(b, "return", 0.2, "put outputs and variables away; --out brings back only the names that are wanted.")


def _unaccounted(b: Breakdown, _: Counts) -> Advice | None:
    told = "is unaccounted for: no process recorded what passed, as when one is killed or the site's clock differs."
    return _about(b, "unaccounted", 0.3, told)


RULES: tuple[Rule, ...] = (
    _many_small_tasks,
    _transport,
    _site_queue,
    _broker_queue,
    _device_queue,
    _transpile,
    _environment,
    _start,
    _simulated,
    _on_device,
    _classical,
    _return,
    _unaccounted,
)
