"""Payloads that are cut by their shots alone: a batch of IQM's circuits, and a Pulser sequence with its runs. What they do is not read.

Results are those that QRMI gives: {"measurements": [{key: [[bit], ...]}, ...], "measurement_counts": [...]} of IQM's servers, and
{"counter": {bits: how often}} of Pasqal's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qhub_ext.broker.work import Piece
from qhub_ext.errors import DeviceError, InvalidOptionError

SHOT_S = 300e-6
"""Seconds of a superconducting device for a shot of which nothing is known: the usual pause between two, and a little."""
RUN_S = 0.25
"""Of neutral atoms: loading, rearranging and imaging them, once per run."""
MOST = 10_000_000


@dataclass(frozen=True)
class Batch:
    """`count` is the field with how often; `weight` how many circuits are run each time; `check` looks at a result of so many shots."""

    kind: str
    count: str
    unit_s: float
    needs: Mapping[str, type]
    weight: Callable[[Mapping[str, Any]], int]
    check: Callable[[Any, int], None]
    join: Callable[[Sequence[tuple[Sequence[Piece], Any]]], Any]

    def read(self, params: Mapping[str, Any]) -> tuple[Piece, ...]:
        """Raises InvalidOptionError."""
        for name, kind in self.needs.items():
            if not isinstance(params.get(name), kind) or not params[name]:
                raise InvalidOptionError(f"`{name}` must be a {'text' if kind is str else 'list'} that is not empty.")
        return (Piece(0, self.shots(params), self.unit_s * self.weight(params)),)

    def shots(self, params: Mapping[str, Any]) -> int:
        given = params.get(self.count)
        if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST:
            raise InvalidOptionError(f"`{self.count}` of {given!r:.40} is not accepted.", advice=f"Give a whole number from 1 to {MOST:,}.")  # fmt: skip
        return given

    def cut(self, params: Mapping[str, Any], pieces: Sequence[Piece]) -> dict[str, Any]:
        return {**params, self.count: sum(piece.units for piece in pieces)}

    def payload(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What the helper of the resource sends."""
        if self.kind == "pulser":
            return {"kind": "pulser", **params}
        return {"kind": self.kind, "input": json.dumps(params)}

    def checked(self, pieces: Sequence[Piece], text: str) -> Any:
        """The result of one slice. Raises DeviceError when it is not what the slice asked for."""
        units = sum(piece.units for piece in pieces)
        try:
            result = json.loads(text)
            self.check(result, units)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise DeviceError(f"The result of a slice of {units} shots is not one: {error}.") from None
        return result

    def merge(self, slices: Sequence[tuple[Sequence[Piece], str]]) -> str:
        """Raises DeviceError."""
        results = [(pieces, self.checked(pieces, text)) for pieces, text in slices]
        return slices[0][1] if len(results) == 1 else json.dumps(self.join(results))


def _check_measurements(result: Any, units: int) -> None:
    for circuit in result["measurements"]:
        for key, rows in circuit.items():
            if len(rows) != units:
                raise ValueError(f"{len(rows)} shots came back under {key!r}")


def _join_measurements(results: Sequence[tuple[Sequence[Piece], Any]]) -> dict[str, Any]:
    """In the order of the shots, whichever slice had them."""
    parts = []
    for pieces, result in results:
        begin = 0
        for piece in pieces:
            end = begin + piece.units
            rows = [{key: found[begin:end] for key, found in circuit.items()} for circuit in result["measurements"]]
            parts.append((piece.first, rows))
            begin = end
    in_order = [rows for _, rows in sorted(parts, key=lambda part: part[0])]
    whole = [
        {key: [row for part in same for row in part[key]] for key in same[0]} for same in zip(*in_order, strict=True)
    ]
    return {"measurements": whole, "measurement_counts": [_counted(one) for one in whole]}


def _counted(measured: Mapping[str, Sequence[Sequence[int]]]) -> dict[str, Any]:
    """In the shape of IQM's own artifact."""
    words = ["".join(str(bit) for row in rows for bit in row) for rows in zip(*measured.values(), strict=True)]
    return {"measurement_keys": list(measured), "counts": dict(sorted(Counter(words).items()))}


def _check_counter(result: Any, units: int) -> None:
    counted = sum(int(count) for count in result["counter"].values())
    if counted != units:
        raise ValueError(f"it counts {counted} runs")


def _join_counters(results: Sequence[tuple[Sequence[Piece], Any]]) -> dict[str, Any]:
    whole: Counter[str] = Counter()
    for _, one in results:
        whole.update({bits: int(count) for bits, count in one["counter"].items()})
    return {"counter": dict(whole)}


BATCHES = {
    one.kind: one
    for one in (
        Batch("iqm", "shots", SHOT_S, {"circuits": list}, lambda params: len(params["circuits"]), _check_measurements, _join_measurements),
        Batch("pulser", "runs", RUN_S, {"sequence": str}, lambda _: 1, _check_counter, _join_counters),
    )
}  # fmt: skip
"""By the program that a task names, which is the kind of payload that the helper of a resource knows."""
