"""Observables -> what to measure: terms, groups of terms that one measured circuit serves, and values from its bits.

Two terms share a circuit when they ask for the same axis on every qubit that both touch (qubit-wise commuting).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from qiskit.quantum_info import SparseObservable

AXES = {"Z": "Z", "0": "Z", "1": "Z", "X": "X", "+": "X", "-": "X", "Y": "Y", "r": "Y", "l": "Y"}
"""The axis along which a letter of SparseObservable is measured; the small ones are projectors."""

_VALUES = {
    **dict.fromkeys("ZXY", (1.0, -1.0)),
    **dict.fromkeys("0+r", (1.0, 0.0)),
    **dict.fromkeys("1-l", (0.0, 1.0)),
}
"""A letter's value when its qubit reads 0 or 1."""

Term = tuple[tuple[int, str], ...]
"""Qubit and letter, by qubit; () is the identity."""

Basis = tuple[tuple[int, str], ...]
"""Qubit and axis, by qubit."""


@dataclass(frozen=True)
class Group:
    """Terms that the bits of one circuit, measured in `basis`, give the values of."""

    basis: Basis
    terms: tuple[Term, ...]


def terms_of(observable: SparseObservable) -> dict[Term, float]:
    """A sum of terms with real coefficients."""
    terms: dict[Term, float] = {}
    for letters, qubits, coefficient in observable.to_sparse_list():
        term = tuple(sorted(zip(qubits, letters, strict=True)))
        terms[term] = terms.get(term, 0.0) + float(np.real(coefficient))
    return terms


def group_terms(terms: Iterable[Term]) -> tuple[Group, ...]:
    """Groups of qubit-wise commuting terms: each goes to the first group that it fits, the widest terms first."""
    return _group(frozenset(term for term in terms if term))


@functools.lru_cache(maxsize=256)
def _group(terms: frozenset[Term]) -> tuple[Group, ...]:
    bases: list[dict[int, str]] = []
    members: list[list[Term]] = []
    for term in sorted(terms, key=lambda t: (-len(t), t)):
        axes = {qubit: AXES[letter] for qubit, letter in term}
        for basis, group in zip(bases, members, strict=True):
            if all(basis.get(qubit, axis) == axis for qubit, axis in axes.items()):
                basis.update(axes)
                group.append(term)
                break
        else:
            bases.append(axes)
            members.append([term])
    return tuple(Group(tuple(sorted(b.items())), tuple(m)) for b, m in zip(bases, members, strict=True))


def estimate(
    group: Group, bits: NDArray[np.uint8], numbers: NDArray[np.int64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance of the mean of several weighted sums of the group's terms.

    `bits` packed, of shape (patterns, bytes), qubit k of the basis at bit k; each pattern came up `numbers` times; `weights` of
    shape (sums, terms). Variances are of each sum over the shots, so terms that vary together are counted as they vary, with
    shots - 1 degrees of freedom.
    """
    single = np.unpackbits(bits, axis=-1)[:, ::-1]  # now column k is bit k
    place = {qubit: k for k, (qubit, _) in enumerate(group.basis)}
    values = np.ones((len(bits), len(group.terms)))
    for column, term in enumerate(group.terms):
        for qubit, letter in term:
            zero, one = _VALUES[letter]
            values[:, column] *= np.where(single[:, place[qubit]], one, zero)
    sums = values @ weights.T
    shots = int(numbers.sum())
    share = numbers / shots
    means = share @ sums
    spread = share @ (sums - means) ** 2
    return means, spread / max(1, shots - 1)
