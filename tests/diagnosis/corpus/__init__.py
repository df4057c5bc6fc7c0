"""Faults made to happen, each with the cause that an explanation must name.

case        what a case is
place       the sites, virtual QPUs and broker that all cases share
user_code, surroundings, queue, devices, brokers, doubts    the cases
run         runs them side by side, and notes what was said of each
cluster, limits         cases on a real Slurm, and a QOS or account for each limit that its accounting knows
cluster_place           runs those on the tests' cluster (tests/slurm/test_faults_explained.py)

The rules were written before any case had run. At the first run 86 of 93 were right, and of the 34 marked `held_out`, which were made up after the
rules, 30; what was mended then was the order of the rules and what the runner keeps of an error and of cut output. Of the six limits of a broker's
policy that came later (`brokers`, held out as well) all were right at their first run.

Of the 74 on Slurm the causes were written down before any had run. At the first run 48 were right, 10 unknown and 16 wrong; of the 56 that had never
been provoked before (`held_out`) 32 were right. Ten of the wrong ones were refusals of sbatch, which were all `integration`; eight of the unknown were
cases that waited for the wrong sign, and one, a reservation deleted under a job that names it, is something that Slurm does not allow.
"""
