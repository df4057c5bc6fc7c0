"""Slurm as the site scheduler, through its own commands: sbatch, squeue, sacct, scontrol, scancel, sinfo.

    site          SlurmSite, the protocol: what each verb asks of the modules below [k s]
    commands      one command with a deadline, a clean environment and no shell; what its failure means
    options       JobSpec and settings -> arguments of sbatch: pure
    script        JobFolder -> the batch script, every line explained: pure
    submission    exactly once: a claim in the folder before, a question to the site after a lost answer
    listing       squeue, machine format -> rows
    accounting    sacct and scontrol -> what became of a job that has left the queue
    poller        one squeue for all who watch, no more often than the site likes
    states, reasons   every word that Slurm has for them, as tables
    verdict       the last word on an attempt whose runner left none: pure
    checkup       the doctor

It reads job folders and writes their journals (`site-HOST-PID`) and claims. The job's own side is the script alone: on a
node nothing of this folder runs.
"""
