"""Where a payload runs: `local` (ideal), `emulation` (the snapshot's noise) and `qpu`, all for a chosen device.

    catalog         which devices there are, without importing qiskit; `site_devices` are those that no package describes
    wishes          a device by what it should be like
    windows         when a device is not to be used
    device_summary  how each was doing, in a row; `chart` is its snapshot as a map to draw
    snapshots       the vendor's properties file -> qhub.calibration/1; `iqm` and `iqm_metrics` read IQM's, `reading` is what comes out
    pulser_specs    what a device of neutral atoms tells of itself -> qhub.calibration/1
    devices         a device's full Target and limits
    options         what a tier may be told; `device_options` what the device's own service may be
    opening         the tier that a context names
    preflight       what a device would refuse, said before anything is sent; `isa` of a circuit's instructions; `findings` is what comes out
    prospects       how likely a shot is to pass without an error
    age             how old its calibration is
    differences     what a run on one tier cannot tell of another
    reduce          a circuit on the qubits that it uses; `fingerprint` knows one that comes again
    noise           the snapshot's noise on those qubits
    method          which simulation method, how much memory and time, and why, from the `facts` of a circuit
    memory          how much memory this process may use
    seeds           a seed for each circuit, independent of its place in a batch
    backend         the protocol that every tier implements
    engine          the one execution core of the simulated tiers
    aer             runs circuits with Aer
    sequences       Pulser sequences: checked, and emulated here
    local, emulation, qpu

Reads the snapshots that qiskit-ibm-runtime carries; writes a cache of summaries. Runs in the kernel and in the job's kernel;
the catalog runs anywhere.
"""
