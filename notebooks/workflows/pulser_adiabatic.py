"""Seven atoms in a row are led slowly into the pattern in which every second one is excited.

    qhub run pulser_adiabatic.py --tier local,emulation,qpu --device FRESNEL --wait

A Pulser sequence for a device of neutral atoms (pip install 'qhub-ext[pasqal]'). Reference: among all arrangements the pattern `1010101` has the
lowest energy where the detuning is as at the end, which is computed here for all 128 of them. The bound is on the share of shots that show it.
"""

import numpy as np
import pulser

from qhub_ext import PulserBackend, pulser_device

device = pulser_device()
atoms, spacing, runs = 7, 6.0, 200
register = pulser.Register.rectangle(1, atoms, spacing=spacing, prefix="q").with_automatic_layout(device)
strength, detuning = 2 * np.pi * 1.0, 2 * np.pi * 2.0  # rad/µs

sequence = pulser.Sequence(register, device)
sequence.declare_channel("global", "rydberg_global")
for length, amplitude, shift in [
    (400, (0.0, strength), (-detuning, -detuning)),
    (2400, (strength, strength), (-detuning, detuning)),
    (400, (strength, 0.0), (detuning, detuning)),
]:
    pulse = pulser.Pulse(pulser.RampWaveform(length, *amplitude), pulser.RampWaveform(length, *shift), 0)
    sequence.add(pulse, "global")
noise = pulser.NoiseModel(p_false_pos=0.01, p_false_neg=0.05)  # on emulation: no calibration of it is published
bits = PulserBackend(sequence, noise_model=noise).run(runs=runs).final_bitstrings

repulsion = device.interaction_coeff / spacing**6


def energy(pattern):
    excited = [n for n, bit in enumerate(pattern) if bit == "1"]
    pairs = sum(repulsion / (b - a) ** 6 for a in excited for b in excited if a < b)
    return pairs - detuning * len(excited)


lowest = min((format(n, f"0{atoms}b") for n in range(2**atoms)), key=energy)
value, reference = bits.get(lowest, 0) / runs, 1.0
bounds = {"local": 0.45, "emulation": 0.7, "qpu": 0.7}  # a random pattern would show in one shot of 128
print(f"{lowest} in {value:.0%} of the shots, most often {max(bits, key=bits.get)}")
