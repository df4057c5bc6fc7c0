"""What every surface calls and nothing else: submit, watch, cancel, list, fetch. Runs in the kernel, the server and the
command; reads and writes job folders; asks the site scheduler."""

from __future__ import annotations

from qhub_ext.service.cell_jobs import Jobs
from qhub_ext.service.draft import Draft
from qhub_ext.service.fetching import Fetched
from qhub_ext.service.job import Job
from qhub_ext.service.jobs import JobService, submit, submit_notebook
from qhub_ext.service.results import ArrayResults, Results

__all__ = ["ArrayResults", "Draft", "Fetched", "Job", "JobService", "Jobs", "Results", "submit", "submit_notebook"]
