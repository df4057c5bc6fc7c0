"""The Jupyter server extension `qhub_ext`: jobs, queue and devices as JSON under `<base_url>qhub_ext/`.

Runs in the Jupyter server; asks `JobService` and writes what it says. Nothing heavy is imported, and what blocks runs in a
small thread pool: the server belongs to everybody's notebooks.
"""
