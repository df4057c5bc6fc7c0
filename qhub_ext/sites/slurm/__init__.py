"""Slurm as the site scheduler, through its own commands: sbatch, squeue, sacct, scontrol, scancel, sinfo.

    site          SlurmSite, the protocol: it puts the parts below together [k s]
    commands      one command with a deadline, a clean environment and no shell; what its failure means
    options       JobSpec and settings -> arguments of sbatch: pure
    script        JobFolder -> the batch script, every line explained: pure
    submission    exactly once: a claim in the folder before, a question to the site after a lost answer
    ledger        what the folder says about its place in the queue: claims, Slurm's ids, the runner's traces
    places        job id -> Slurm's id
    listing       squeue, machine format -> rows
    accounting    sacct and scontrol -> what became of a job that has left the queue
    poller        one squeue for all who watch, no more often than the site likes
    reports       rows and folders -> where each job is
    chronicle     what Slurm alone knows, written into the folder
    endings       the last word on jobs that have left the queue without one
    verbs         cancel, hold, release, requeue
    line          the queue, of all users
    forecast      why one job waits, with numbers, and when it may start
    states, reasons   every word that Slurm has for them, as tables
    evidence      what the folder adds to Slurm's books
    verdict       what follows from both: pure
    checkup       the doctor: the daemons, then
    mapping       what the settings say of tiers and devices, held against the cluster
    probe         a job of a second on the nodes
    prologue      a script of its own for the nodes, by which a job is told of the quantum resources that it holds

It reads job folders and writes their journals (`site-HOST-PID`) and claims. The job's own side is the script alone: on a
node nothing of this folder runs but `prologue`, which the operator copies there.
"""
