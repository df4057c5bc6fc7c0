"""Pulser sequences on this machine: ideal, with noise, repeatable, and refused as a device would refuse them."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pulser
    from pulser.devices import AnalogDevice, MockDevice

from qhub_ext.errors import InvalidOptionError, PreflightError
from qhub_ext.job import context
from qhub_ext.primitives.sequences import PulserBackend
from qhub_ext.tiers import seeds
from qhub_ext.tiers.findings import PreflightWarning


def pair(device: Any = AnalogDevice, *, apart: float = 6, area: float = 3.14, layout: bool = True) -> pulser.Sequence:
    register = pulser.Register.rectangle(1, 2, spacing=apart, prefix="q")
    if layout:
        register = register.with_automatic_layout(device)
    sequence = pulser.Sequence(register, device)
    sequence.declare_channel("global", "rydberg_global")
    sequence.add(pulser.Pulse.ConstantDetuning(pulser.BlackmanWaveform(1000, area), 0, 0), "global")
    return sequence


def test_two_atoms_within_the_blockade_share_one_excitation() -> None:
    results = PulserBackend(pair(area=3.14 / 2**0.5), seed=1).run(runs=1000)
    bits = results.final_bitstrings
    assert sum(bits.values()) == 1000
    assert bits["01"] + bits["10"] > 950
    assert results.atom_order == ("q0", "q1")


def test_the_same_seed_gives_the_same_bits_and_leaves_numpy_s_generator_alone() -> None:
    import numpy as np

    np.random.seed(3)
    expected = np.random.random(2).tolist()
    np.random.seed(3)
    first = PulserBackend(pair(), seed=7).run(runs=500).final_bitstrings
    assert np.random.random(2).tolist() == expected
    assert PulserBackend(pair(), seed=7).run(runs=500).final_bitstrings == first
    assert PulserBackend(pair(), seed=8).run(runs=500).final_bitstrings != first


def test_a_job_that_names_no_seed_draws_the_same_again_when_it_is_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(drawn: int) -> list[Any]:
        """Two tasks of a job, as a fresh process has them."""
        monkeypatch.setattr(seeds, "_tasks", itertools.count())
        with context.using(drawn_seed=drawn):
            return [PulserBackend(pair()).run(runs=500).final_bitstrings for _ in range(2)]

    first, second = run(5)
    assert run(5) == [first, second]
    assert first != second
    assert run(6)[0] != first


def test_variables_and_job_params_are_as_pulser_has_them() -> None:
    register = pulser.Register.rectangle(1, 2, spacing=6, prefix="q").with_automatic_layout(AnalogDevice)
    sequence = pulser.Sequence(register, AnalogDevice)
    sequence.declare_channel("global", "rydberg_global")
    area = sequence.declare_variable("area")
    sequence.add(pulser.Pulse.ConstantDetuning(pulser.BlackmanWaveform(1000, area), 0, 0), "global")
    none, all_of_it = PulserBackend(sequence, seed=1).run(
        [{"runs": 100, "variables": {"area": 0.001}}, {"runs": 200, "variables": {"area": 3.14 / 2**0.5}}]
    )
    assert none.final_bitstrings["00"] > 95
    assert all_of_it.final_bitstrings["00"] < 20
    with pytest.raises(InvalidOptionError, match="no values for area"):
        PulserBackend(sequence).run(runs=10)


def test_emulation_takes_the_device_s_noise_or_the_one_that_is_given_and_refuses_to_be_ideal_in_silence() -> None:
    noisy = pulser.NoiseModel(p_false_pos=0.3, p_false_neg=0.3)
    with context.using(tier="emulation"):
        with pytest.raises(PreflightError, match="no noise model for AnalogDevice"):
            PulserBackend(pair()).run(runs=100)
        given = PulserBackend(pair(area=0.001), noise_model=noisy, seed=1).run(runs=1000).final_bitstrings
        assert given["00"] < 700
        own = replace(AnalogDevice, noise_model=noisy)
        assert PulserBackend(pair(own, area=0.001), seed=1).run(runs=1000).final_bitstrings["00"] < 700


@pytest.mark.parametrize(
    ("sequence", "runs", "words"),
    [
        (pair(layout=False), 100, "requires the sequence's register"),
        (pair(), 5000, "takes at most 2,000"),
        (pair(), 0, "0 runs are not accepted"),
        (
            pulser.Sequence(pulser.Register({"a": (0, 0)}).with_automatic_layout(AnalogDevice), AnalogDevice),
            10,
            "empty",
        ),
    ],
)
def test_what_a_device_would_refuse_is_refused_here(sequence: Any, runs: int, words: str) -> None:
    with pytest.raises(PreflightError, match=words):
        PulserBackend(sequence).run(runs=runs)


def test_a_made_up_device_is_warned_of_and_emulated_all_the_same() -> None:
    with pytest.warns(PreflightWarning, match="No device takes this sequence"):
        results = PulserBackend(pair(MockDevice, layout=False), seed=1).run(runs=100)
    assert sum(results.final_bitstrings.values()) == 100


def test_what_is_no_sequence_is_said() -> None:
    with pytest.raises(InvalidOptionError, match=r"takes a pulser\.Sequence, not int"):
        PulserBackend(3).run()


def test_a_run_leaves_a_record_like_any_other_task() -> None:
    records: list[dict[str, Any]] = []
    with context.using(record=records.append, shots=123):
        PulserBackend(pair()).run()
    (record,) = records
    assert (record["primitive"], record["tier"], record["device"], record["shots"]) == (
        "sequence",
        "local",
        "AnalogDevice",
        123,
    )
    assert record["pubs"][0]["atoms"] == 2
    assert record["error"] is None
