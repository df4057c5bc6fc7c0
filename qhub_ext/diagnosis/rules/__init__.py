"""Why a job is as it is: small functions over `Evidence`, each of which finds one thing or nothing.

waits    a job that waits: the site's reason, the broker's, the device's
device   a device, its service, its broker, its calibration
code     the cell's own error, or what met it: packages, memory, disk, network
ends     an end from outside: time, cancellation, preemption, a node, the scheduler
doubts   a job that completed, and whose results are doubtful

`explain` has the tables in which they are asked, and `evaluation` says in which order.
"""
