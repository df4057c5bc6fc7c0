"""Where a payload runs: `local` (ideal), `emulation` (the snapshot's noise) and `qpu`, all for a chosen device.

    catalog     which devices there are, without importing qiskit
    device_summary  how each was doing, in a row
    snapshots   the vendor's properties file -> qhub.calibration/1; `iqm_metrics` reads IQM's, `reading` is what comes out
    devices     a device's full Target and limits
    pulser_specs    what a device of neutral atoms tells of itself -> qhub.calibration/1
    preflight   what a device would refuse, said before anything is sent; `isa` of a circuit's instructions; `findings` is what comes out
    age         how old its calibration is
    differences     what a run on one tier cannot tell of another
    reduce      a circuit on the qubits that it uses
    noise       the snapshot's noise on those qubits
    method      which simulation method, how much memory and time, and why
    memory      how much memory this process may use
    seeds       a seed for each circuit, independent of its place in a batch
    backend     the protocol that every tier implements
    engine      the one execution core of the simulated tiers
    aer         runs circuits with Aer
    local, emulation, qpu

Reads the snapshots that qiskit-ibm-runtime carries; writes a cache of summaries. Runs in the kernel and in the job's kernel;
the catalog runs anywhere.
"""
