"""What a job is: plain data and pure rules. Stdlib only, no I/O; every process may import it."""
