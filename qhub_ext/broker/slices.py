"""A task's payload cut into slices, and the results of its slices put together so that nobody can tell.

Payloads are those of Qiskit primitives as they travel to IBM's service: `{"pubs": [[circuit, values, shots], ...], ...}`. A sampler is cut by shots, an
estimator by PUB; the payloads of other vendors are in `batches`. Circuits are not read: how long a shot takes is first guessed, and then measured with the
first slice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from qiskit.primitives import BitArray, DataBin, PrimitiveResult, PubResult

from qhub_ext.broker.batches import BATCHES, MOST, SHOT_S
from qhub_ext.broker.work import Piece
from qhub_ext.errors import DeviceError, InvalidOptionError
from qhub_ext.tiers.backend import DEFAULT_PRECISION, DEFAULT_SHOTS
from qhub_ext.tiers.qpu.wire import array_shape, quantum_seconds, tagged, untagged

GUESS_S = SHOT_S

MOST_PUBS = 20_000
"""What is left of a task is written down after each slice: with more PUBs that takes longer than all else."""
MOST_SETTINGS = 10**12
"""An array's head may claim more: that many take longer than any task may."""
FINEST = MOST**-0.5
"""The precision that so many shots give."""

ODD = (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError)
"""What comes of reading what has not the shape that was expected."""
LONGEST_S = 7 * 86400.0
"""No slice had a device for so long."""

PROGRAMS = ("sampler", "estimator", *BATCHES)


def read_work(program: str, params: Mapping[str, Any]) -> tuple[Piece, ...]:
    """What the payload asks for. Raises InvalidOptionError for what is no payload of a primitive."""
    if program not in PROGRAMS:
        raise InvalidOptionError(f"There is no program {program!r}.", advice=f"Known: {', '.join(PROGRAMS)}.")
    if program in BATCHES:
        return BATCHES[program].read(params)
    pubs = params.get("pubs")
    if not isinstance(pubs, list) or not pubs or not all(isinstance(pub, list) and pub for pub in pubs):
        raise InvalidOptionError("`pubs` must be a list of PUBs, each a list that begins with a circuit.")
    if len(pubs) > MOST_PUBS:
        raise InvalidOptionError(f"A task of {len(pubs):,} PUBs is not accepted.", advice=f"Send at most {MOST_PUBS:,} at a time, and sets of values as one PUB.")  # fmt: skip
    if program == "sampler":
        return tuple(
            Piece(k, _shots(pub, params, k), GUESS_S * _settings(pub[1] if len(pub) > 1 else None, k))
            for k, pub in enumerate(pubs)
        )
    return tuple(Piece(k, 1, GUESS_S * _estimator_shots(pub, params, k)) for k, pub in enumerate(pubs))


def shots_of(program: str, params: Mapping[str, Any]) -> int:
    """All shots of one PUB at most, against the caps of a profile."""
    if program in BATCHES:
        return BATCHES[program].shots(params)
    pubs = params["pubs"]
    if program == "sampler":
        return max(_shots(pub, params, k) for k, pub in enumerate(pubs))
    return max(_estimator_shots(pub, params, k) for k, pub in enumerate(pubs))


def check_precisions(program: str, params: Mapping[str, Any], device: str, most_shots: float) -> None:
    """An estimator's PUB is not cut: with all its shots it fits into what the device takes at a time. Raises InvalidOptionError."""
    for number, pub in enumerate(params["pubs"] if program == "estimator" else ()):
        precision = _precision(pub, params, number)
        shots = math.ceil(precision**-2 * (1 - 1e-12))
        if shots > most_shots:
            finest = most_shots**-0.5
            step = 10.0 ** (math.floor(math.log10(finest)) - 1)
            raise InvalidOptionError(
                f"PUB {number}: a precision of {precision:g} takes {shots:,} shots, {device} takes at most {most_shots:,.0f}.",
                advice=f"Give a precision of {math.ceil(finest / step - 1e-9) * step:.2g} or more.",
            )


def cut(program: str, params: Mapping[str, Any], pieces: Sequence[Piece]) -> dict[str, Any]:
    """The payload of one slice: a sampler's PUBs with the slice's shots, an estimator's PUBs as they are."""
    if program in BATCHES:
        return BATCHES[program].cut(params, pieces)
    pubs = params["pubs"]
    if program == "estimator":
        return {**params, "pubs": [pubs[piece.pub] for piece in pieces]}
    return {**params, "pubs": [[*(pubs[p.pub] + [None])[:2], p.units] for p in pieces]}


def payload_of(program: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """What the helper of the resource sends."""
    if program in BATCHES:
        return BATCHES[program].payload(params)
    return {"kind": "primitive", "program": program, "input": json.dumps(params)}


def check_result(pieces: Sequence[Piece], text: str) -> PrimitiveResult[Any]:
    """The result of one slice. Raises DeviceError when it is not what the slice asked for, whatever a device sent."""
    try:
        return _checked(pieces, untagged(json.loads(text)))
    except json.JSONDecodeError as error:
        raise DeviceError(f"The result of a slice is no JSON: {error}.") from None
    except ODD as error:
        raise DeviceError(f"The result of a slice is not that of a primitive: {error!r}.") from None


def _checked(pieces: Sequence[Piece], result: Any) -> PrimitiveResult[Any]:
    if not isinstance(result, PrimitiveResult) or len(result) != len(pieces):
        raise DeviceError(f"The result of a slice of {len(pieces)} PUBs is not one of {len(pieces)} parts.")
    for piece, part in zip(pieces, result, strict=True):
        for name in part.data:
            value = part.data[name]
            if isinstance(value, BitArray) and value.num_shots != piece.units:
                raise DeviceError(
                    f"A slice of {piece.units} shots came back with {value.num_shots} (register {name!r})."
                )
    dict(result.metadata)
    return result


def told_of(result: PrimitiveResult[Any]) -> tuple[float | None, str]:
    """Seconds of QPU and the snapshot, where the device tells them."""
    return seconds_told(lambda: quantum_seconds(result.metadata)), str(result.metadata.get("snapshot", ""))


def seconds_told(read: Callable[[], float | None]) -> float | None:
    """None also where a device tells no time that can be one: its result counts all the same."""
    try:
        found = read()
    except ODD:
        return None
    return found if found is not None and 0.0 <= found < LONGEST_S else None


def merge(program: str, slices: Sequence[tuple[Sequence[Piece], str]]) -> str:
    """The results of all slices as one. Raises DeviceError for a result that is not what the slice asked for, or that does not fit the others."""
    try:
        return BATCHES[program].merge(slices) if program in BATCHES else _merged(program, slices)
    except ODD as error:
        raise DeviceError(f"The results of its slices do not fit together: {error!r}.", advice="Each is in the broker's ledger; the device's operator can say why they differ.") from error  # fmt: skip


def _merged(program: str, slices: Sequence[tuple[Sequence[Piece], str]]) -> str:
    decoded = [(pieces, check_result(pieces, text)) for pieces, text in slices]
    if len(decoded) == 1:
        return slices[0][1]
    parts: dict[int, list[tuple[Piece, PubResult]]] = {}
    for pieces, result in decoded:
        for piece, part in zip(pieces, result, strict=True):
            parts.setdefault(piece.pub, []).append((piece, part))
    for found in parts.values():
        found.sort(key=lambda pair: pair[0].first)
    pubs = [_joined(program, parts[number]) for number in sorted(parts)]
    metadata = dict(decoded[0][1].metadata)
    spans = [span for pieces, result in decoded for span in _spans(result, pieces)]
    if spans:
        metadata["execution"] = {
            **(metadata.get("execution") or {}),
            "execution_spans": {"__type__": "ExecutionSpans", "spans": spans},
        }
    metadata["slices"] = len(decoded)
    snapshots = dict.fromkeys(one for _, result in decoded for one in result.metadata.get("snapshots") or ())
    if snapshots:  # each calibration that a slice of it ran under
        metadata["snapshots"] = list(snapshots)
    return json.dumps(_retagged(tagged(PrimitiveResult(pubs, metadata=metadata))))


def _joined(program: str, parts: Sequence[tuple[Piece, PubResult]]) -> PubResult:
    first = parts[0][1]
    if len(parts) == 1 or program == "estimator":
        return first
    fields: dict[str, Any] = {}
    for name in first.data:
        values = [part.data[name] for _, part in parts]
        if all(isinstance(value, BitArray) for value in values):
            fields[name] = BitArray.concatenate_shots(values)
        else:
            fields[name] = np.concatenate([np.asarray(value) for value in values], axis=len(first.data.shape))
    shots = sum(piece.units for piece, _ in parts)
    metadata = {**first.metadata, **({"shots": shots} if "shots" in first.metadata else {})}
    return type(first)(DataBin(**fields, shape=first.data.shape), metadata=metadata)


def _spans(result: PrimitiveResult[Any], pieces: Sequence[Piece]) -> list[dict[str, Any]]:
    """The spans of a slice, with the numbers that its PUBs have in the whole task."""
    spans = ((result.metadata.get("execution") or {}).get("execution_spans") or {}).get("spans") or []
    found = []
    for span in spans:
        slices = span.get("data_slices") or {}
        renamed = {str(pieces[int(k)].pub): v for k, v in slices.items() if int(k) < len(pieces)}
        found.append({**span, "data_slices": renamed})
    return found


def _retagged(value: Any) -> Any:
    """`untagged` keeps the spans' tags beside their fields; on the wire the fields are inside."""
    if isinstance(value, list):
        return [_retagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: _retagged(item) for key, item in value.items()}
    if "__type__" in inner and "__value__" not in inner:
        return {"__type__": inner.pop("__type__"), "__value__": inner}
    return inner


def _shots(pub: Sequence[Any], params: Mapping[str, Any], number: int) -> int:
    options = params.get("options") if isinstance(params.get("options"), dict) else {}
    given = next(
        (s for s in (*pub[2:3], params.get("shots"), (options or {}).get("default_shots")) if s is not None),
        DEFAULT_SHOTS,
    )
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST:
        raise InvalidOptionError(
            f"PUB {number}: {_short(given)} shots are not accepted.", advice=f"Give a whole number from 1 to {MOST:,}."
        )
    return given


def _estimator_shots(pub: Sequence[Any], params: Mapping[str, Any], number: int) -> int:
    precision = _precision(pub, params, number)
    return max(1, round(precision**-2)) * _settings(pub[2] if len(pub) > 2 else None, number)


def _precision(pub: Sequence[Any], params: Mapping[str, Any], number: int) -> float:
    given = next((p for p in (*pub[3:4], params.get("precision")) if p is not None), DEFAULT_PRECISION)
    if isinstance(given, bool) or not isinstance(given, int | float) or not FINEST <= given < 10:
        raise InvalidOptionError(
            f"PUB {number}: a precision of {_short(given)} is not accepted.",
            advice=f"Give a number from {FINEST:.2g}, which takes {MOST:,} shots, to below 10.",
        )
    return float(given)


def _settings(values: Any, number: int) -> int:
    """How many parameter sets: a list of lists has as many as it is long; an encoded array is asked for its shape."""
    encoded = isinstance(values, dict) and values.get("__type__") == "ndarray"
    if not encoded and not (isinstance(values, list) and values and isinstance(values[0], list)):
        return 1
    try:
        shape = array_shape(values.get("__value__")) if encoded else np.shape(values)
    except ODD:
        raise InvalidOptionError(f"PUB {number}: its values are no array.", advice="Give each set of values as many numbers as the circuit has parameters.") from None  # fmt: skip
    return max(1, min(MOST_SETTINGS, math.prod(shape[:-1])))


def _short(given: Any) -> str:
    told = repr(given)
    return told if len(told) <= 40 else f"{told[:40]}…"
