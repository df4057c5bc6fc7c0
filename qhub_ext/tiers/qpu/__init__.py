"""The device itself, through the `qrmi` package.

    capabilities  what each type of resource can do
    standing      who stands for a device: the broker, a resource, a virtual QPU
    resources     which quantum resources there are, by whom they were named, and how each is reached
    helper        the program of the process that owns one QuantumResource [a process of its own]
    process       that process seen from here: one call at a time, each with a deadline, killed and begun anew when it hangs
    pool          the helper processes that are open
    target        what a resource says of its device now, kept with its date
    failures      what the vendor's errors mean: cause, whose move it is, whether a task may exist
    sending       one task on its way, whatever it carries
    sequences     Pulser sequences on their way
    writing       what a type's way of writing circuits has to do: `ibm` and `iqm` do it
    wire          circuits and results as IBM's primitives send them
    listing       which tasks of this account are on a device
    backend       the tier: PUBs out, bits back
    helper_spans, task_spans  when a call, and a task, went, waited and ran
    brokered      the broker as what stands for a device; `turn` for those that IBM's client cannot speak to, `munge` to say who comes
    on_demand     a server of ours that starts when it is needed: `virtual` where the site has no device, `own_broker`
    qcs           how IBM's quantum compute service looks from outside

QRMI's objects are neither thread-safe nor fork-safe, some calls wait for ever, and none hears an interrupt: hence the process.
"""
