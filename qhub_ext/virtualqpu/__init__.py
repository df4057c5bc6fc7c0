"""A stand-in for a QPU, behind the API that the genuine `qrmi` client speaks to IBM's quantum compute service.

It is part of the product: to practise on, for tutorials, for a site's acceptance tests. It has a real calibration snapshot, that snapshot's noise,
the device's timing (durations, pause between shots, a queue with one task at a time, windows of calibration; a clock that may run faster) and faults that can be
switched on. It says that it is simulated wherever a client can see it.

    machine   what a payload is, and executing it with the snapshot's noise
    running   a program on a machine, in the device's own time
    line      the tasks: queued, running one at a time, ended
    calendar  when a device stands still to be calibrated
    drift     how a calibration differs from the one before
    faults    what can be switched on to go wrong
    house     the devices of one server
    app       the HTTP server: who is let in, and the doors that are ours
    ibm       the API of IBM's service
    practice  lets the one of this machine go wrong, from a notebook
    garnet, iqm_machine, iqm_target, iqm   a device of IQM's gates, what it makes of circuits, what it says of itself, and the API
    sequences, pasqal   devices that take Pulser sequences, and the API
    __main__  `python -m qhub_ext.virtualqpu`
"""
