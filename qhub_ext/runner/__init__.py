"""Executes one job folder: `python -m qhub_ext.runner FOLDER`, started by the site scheduler.

Two processes. The supervisor (this side: `supervisor` with `channels`, `cells`, `cell_outputs`, `stopping`, `timings` and
`memory_watch`; `kernel`, `recording`; `verdict` over what `sighting` holds) imports neither IPython nor qiskit, so that the job
kernel can boot on the other core meanwhile. The job kernel (`jobkernel` with its `kernel_job`, `jobstream`, `setting`) is a real
ipykernel, so that `await`, magics, plots, widgets and child processes behave as in a notebook; when the cell takes it down, the
supervisor is still there to seal what is known.

Reads a bundle; writes one attempt (outputs, variables, tasks, outcome) and the journal `runner-N`. Never imports `sites`.
"""
