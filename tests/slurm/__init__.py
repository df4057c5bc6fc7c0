"""A real Slurm on this one machine, for the tests and for the curious.

    python -m tests.slurm up --root DIR      packages, configuration, munge, MariaDB, slurmdbd, slurmctld, slurmd
    python -m tests.slurm down --root DIR    ends every daemon by its pid and start time, removes DIR
    eval "$(python -m tests.slurm env --root DIR)"

Everything lives under DIR; nothing is written to /etc; daemons listen on loopback only. Needs root, because slurmd starts
jobs as other users.
"""
