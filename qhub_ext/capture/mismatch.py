"""How the place of execution differs from that of submission: in nothing, in what is worth a line, or so that values must not be loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from qhub_ext.errors import EnvironmentMismatchError


@dataclass(frozen=True)
class Difference:
    """`refuse`: values captured there must not be loaded here. `note`: worth a line in the record."""

    severity: Literal["refuse", "note"]
    what: str
    captured: str
    here: str
    sentence: str
    advice: str = ""

    def to_json(self) -> dict[str, str]:
        return asdict(self)


# values captured with one version of these are not read with another
_BINDING = {"cloudpickle": 2, "qiskit": 2}
# differences of these change results, or break a cell that worked
_NOTED = ("qiskit-aer", "qiskit-ibm-runtime", "numpy", "scipy", "pandas", "qhub-ext")


def compare(captured: Mapping[str, Any], here: Mapping[str, Any], *, loads: bool = True) -> list[Difference]:
    """How the place of execution differs from that of submission, refusals first. Where nothing captured is loaded there, nothing is refused."""
    found: list[Difference] = []
    then, now = str(captured.get("python", "")), str(here.get("python", ""))
    if then and now and _minor(then) != _minor(now):
        found.append(
            Difference(
                "refuse",
                "python",
                then,
                now,
                f"The cell was captured with Python {then}, here is Python {now}: values of one cannot be loaded in the other.",
                f"Run the job with {captured.get('executable') or 'Python ' + _minor(then)}.",
            )
        )
    elif then != now:
        found.append(Difference("note", "python", then, now, f"Python is {now} here, it was {then} in the notebook."))
    packages_then, packages_now = _packages_of(captured), _packages_of(here)
    for name in (*_BINDING, *_NOTED):
        then, now = packages_then.get(name, ""), packages_now.get(name, "")
        if not then or then == now:
            continue
        severity: Literal["refuse", "note"] = (
            "refuse" if name in _BINDING and (not now or _minor(then) != _minor(now)) else "note"
        )
        sentence = (
            f"{name} is {now} here, it was {then} in the notebook." if now else f"{name} {then} is not installed here."
        )
        found.append(Difference(severity, name, then, now, sentence, f"pip install {name}=={then}"))
    rest = sorted(
        name
        for name, version in packages_then.items()
        if name not in _BINDING and name not in _NOTED and packages_now.get(name) != version
    )
    if rest:
        shown = ", ".join(rest[:5]) + (f" and {len(rest) - 5} more" if len(rest) > 5 else "")
        found.append(Difference("note", "packages", "", "", f"Other versions than in the notebook: {shown}."))
    then, now = str(captured.get("platform", "")), str(here.get("platform", ""))
    if then != now:
        found.append(
            Difference("note", "platform", then, now, f"The platform is {now} here, it was {then} in the notebook.")
        )
    found += _below_the_packages(captured, here)
    if not loads:
        found = [replace(difference, severity="note") for difference in found]
    return sorted(found, key=lambda difference: difference.severity != "refuse")


def _below_the_packages(captured: Mapping[str, Any], here: Mapping[str, Any]) -> Iterable[Difference]:
    """What no list of packages shows. Each is told of where both places say something of it, as records of earlier versions may not."""
    then, now = (record.get("blas") for record in (captured, here))
    then, now = (found if isinstance(found, dict) else {} for found in (then, now))
    moved = sorted(name for name in then.keys() & now.keys() if then[name] != now[name])
    if moved:
        before, after = (", ".join(f"{name} {libraries[name]}" for name in moved) for libraries in (then, now))
        yield Difference(
            "note",
            "blas",
            before,
            after,
            f"Linear algebra is done by other libraries than in the notebook, so that last digits may differ: {after}; it was {before}.",
        )
    before, after = (", ".join(_listed(record.get("machine"), "gpus")) for record in (captured, here))
    if before and before != after:
        yield Difference("note", "gpus", before, after, f"GPUs are {after or 'none'} here, {before} in the notebook.")
    before, after = (_image(record.get("container")) for record in (captured, here))
    if before and after and before != after:
        yield Difference(
            "note", "container", before, after, f"The container is {after} here, {before} in the notebook."
        )


def _listed(record: Any, key: str) -> list[str]:
    found = record.get(key) if isinstance(record, Mapping) else None
    return [str(one) for one in found] if isinstance(found, list) else []


def _image(container: Any) -> str:
    """By digest where that is known: a tag may name another image tomorrow."""
    found = container if isinstance(container, Mapping) else {}
    return str(found.get("digest") or found.get("image") or "")


def verdict_of(differences: Iterable[Difference]) -> Literal["same", "compatible", "refused"]:
    severities = {difference.severity for difference in differences}
    return "refused" if "refuse" in severities else "compatible" if severities else "same"


def refuse(differences: Iterable[Difference]) -> None:
    """Raises EnvironmentMismatchError with every difference that forbids to load what was captured, and what mends it."""
    refused = [d for d in differences if d.severity == "refuse"]
    if refused:
        packages = " ".join(f"{d.what}=={d.captured}" for d in refused if d.what != "python")
        mend = [d.advice for d in refused if d.what == "python" and d.advice]
        mend += [f"pip install {packages}"] if packages else []
        mend.append("`rerun JOB --runtime same` builds the environment of the submission and runs the job in it.")
        raise EnvironmentMismatchError(
            " ".join(d.sentence for d in refused), advice=" ".join(m if m.endswith(".") else f"{m}." for m in mend)
        )


def _packages_of(record: Mapping[str, Any]) -> dict[str, str]:
    packages = record.get("packages")
    return packages if isinstance(packages, dict) else {}


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
