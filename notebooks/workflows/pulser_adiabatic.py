"""Seven atoms in a row are led slowly into the pattern in which every second one is excited.

    qhub run pulser_adiabatic.py --tier local,emulation,qpu --device FRESNEL --wait

A Pulser sequence for a device of neutral atoms (pip install 'qhub-ext[pasqal]'). The pattern is the one with the lowest energy where the detuning is as at
the end, found among all 128. Reference: its share after the sequence, from Schrödinger's equation, integrated here without Pulser. The bound is on
the share of shots that show it: four standard errors of the shots, and with noise all that reading seven atoms may get wrong.
"""

import numpy as np
import pulser
from scipy.integrate import solve_ivp

from qhub_ext import PulserBackend, pulser_device

device = pulser_device()
atoms, spacing, runs = 7, 6.0, 200
register = pulser.Register.rectangle(1, atoms, spacing=spacing, prefix="q").with_automatic_layout(device)
strength, detuning = 2 * np.pi * 1.0, 2 * np.pi * 2.0  # rad/µs

sequence = pulser.Sequence(register, device)
sequence.declare_channel("global", "rydberg_global")
ramps = [  # ns, amplitude and detuning from and to
    (400, (0.0, strength), (-detuning, -detuning)),
    (2400, (strength, strength), (-detuning, detuning)),
    (400, (strength, 0.0), (detuning, detuning)),
]
for length, amplitude, shift in ramps:
    pulse = pulser.Pulse(pulser.RampWaveform(length, *amplitude), pulser.RampWaveform(length, *shift), 0)
    sequence.add(pulse, "global")
false_excited, false_ground = (
    0.01,
    0.05,
)  # on emulation, as Pulser has them for its AnalogDevice: no calibration is published
noise = pulser.NoiseModel(p_false_pos=false_excited, p_false_neg=false_ground)
bits = PulserBackend(sequence, noise_model=noise).run(runs=runs).final_bitstrings

patterns = np.array([[n >> (atoms - 1 - atom) & 1 for atom in range(atoms)] for n in range(2**atoms)])
repulsion = device.interaction_coeff / spacing**6
pairs = sum(repulsion / (b - a) ** 6 * patterns[:, a] * patterns[:, b] for b in range(atoms) for a in range(b))
excited = patterns.sum(axis=1)
flips = sum(np.eye(2**atoms)[np.arange(2**atoms) ^ (1 << atom)] for atom in range(atoms))
wanted = int((pairs - detuning * excited).argmin())
lowest = format(wanted, f"0{atoms}b")

state = np.eye(2**atoms, dtype=complex)[0]
for length, amplitude, shift in ramps:
    span = length / 1000  # µs

    def change(at, psi, amplitude=amplitude, shift=shift, span=span):
        now = [pair[0] + (pair[1] - pair[0]) * at / span for pair in (amplitude, shift)]
        return -1j * (now[0] / 2 * (flips @ psi) + (pairs - now[1] * excited) * psi)

    state = solve_ivp(change, (0, span), state, method="DOP853", rtol=1e-6, atol=1e-8).y[:, -1]
reference = float(abs(state[wanted]) ** 2)
value = bits.get(lowest, 0) / runs

by_shots = 4 * np.sqrt(reference * (1 - reference) / runs)
misread = reference * (1 - (1 - false_ground) ** lowest.count("1") * (1 - false_excited) ** lowest.count("0"))
bounds = {"local": by_shots, "emulation": by_shots + misread, "qpu": by_shots + misread}
print(f"{lowest} in {value:.0%} of the shots, reference {reference:.0%}; most often {max(bits, key=bits.get)}")
