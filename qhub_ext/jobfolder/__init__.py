"""The wire between processes, and the truth about a job: one directory, mode 0700.

Reads and writes job folders; runs in every process; stdlib only. Every index, cache and screen can be rebuilt from here.
"""
