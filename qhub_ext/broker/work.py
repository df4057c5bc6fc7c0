"""What a task has left to do, and the slice of it that fits into a span of time on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Piece:
    """`units` of PUB `pub`, from number `first` on, each of `unit_s` seconds of QPU and indivisible.

    A unit is one shot (for all parameter sets of the PUB) of a sampler, and a whole PUB of an estimator.
    """

    pub: int
    units: int
    unit_s: float
    first: int = 0

    @property
    def seconds(self) -> float:
        return self.units * self.unit_s

    @property
    def end(self) -> int:
        return self.first + self.units


def seconds_of(pieces: Sequence[Piece]) -> float:
    return math.fsum(piece.seconds for piece in pieces)


def take_slice(
    pieces: Sequence[Piece], budget_s: float, *, overhead_s: float = 0.0, most: float = math.inf
) -> tuple[Piece, ...]:
    """The pieces at the front that fit into `budget_s`, the last of them cut; none when not even one unit fits.

    `overhead_s` is what the device needs once per slice, `most` how many units of one PUB it takes at a time.
    """
    taken: list[Piece] = []
    left, room = budget_s - overhead_s, most
    for piece in pieces:
        if taken and taken[-1].pub != piece.pub:
            room = most
        fitting = piece.units if piece.unit_s <= 0 else min(piece.units, math.floor(left / piece.unit_s + 1e-9))
        if fitting > room:
            fitting = int(room)
        if fitting <= 0:
            break
        taken.append(replace(piece, units=fitting))
        left -= fitting * piece.unit_s
        room -= fitting
        if fitting < piece.units:
            break
    return tuple(taken)


def without(pieces: Sequence[Piece], taken: Sequence[Piece]) -> tuple[Piece, ...]:
    """What is left when a slice from the front is done."""
    backwards = list(reversed(pieces))
    for done in taken:
        front = backwards.pop()
        if (front.pub, front.first) != (done.pub, done.first) or done.units > front.units:
            raise ValueError(f"{done} is not at the front of {front}")
        if done.units < front.units:
            backwards.append(replace(front, units=front.units - done.units, first=front.first + done.units))
    return tuple(reversed(backwards))


def minus(pieces: Sequence[Piece], taken: Sequence[Piece]) -> tuple[Piece, ...]:
    """What is left when some are taken, from anywhere among them."""
    gone_of: dict[int, list[Piece]] = {}
    for gone in taken:
        gone_of.setdefault(gone.pub, []).append(gone)
    left: list[Piece] = []
    for piece in pieces:
        parts = [piece]
        for gone in gone_of.get(piece.pub, ()):
            parts = [rest for part in parts for rest in _beside(part, gone)]
        left += parts
    return tuple(left)


def _beside(piece: Piece, gone: Piece) -> Iterator[Piece]:
    """What is left of a piece of the same PUB."""
    if piece.end <= gone.first or gone.end <= piece.first:
        yield piece
        return
    if piece.first < gone.first:
        yield replace(piece, units=gone.first - piece.first)
    if gone.end < piece.end:
        yield replace(piece, units=piece.end - gone.end, first=gone.end)


def joined(*parts: Sequence[Piece]) -> tuple[Piece, ...]:
    """All of them in their order, what lies side by side as one."""
    found: list[Piece] = []
    for piece in sorted((piece for part in parts for piece in part), key=lambda p: (p.pub, p.first)):
        last = found[-1] if found else None
        if last is not None and (last.pub, last.end) == (piece.pub, piece.first):
            seconds = last.seconds + piece.seconds
            found[-1] = replace(last, units=last.units + piece.units, unit_s=seconds / (last.units + piece.units))
        else:
            found.append(piece)
    return tuple(found)


def smallest(pieces: Sequence[Piece]) -> float:
    """Seconds of QPU of the least that can be run next."""
    return pieces[0].unit_s if pieces else 0.0
