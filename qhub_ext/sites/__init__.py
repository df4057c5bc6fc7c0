"""Bundle -> a place in the site's queue. Reads and writes job folders; talks to the site scheduler; runs in the kernel,
the Jupyter server and the command, never in a job."""
