"""What every site asks of a folder before it takes it: it is there, it is ours, and it says what to run."""

from __future__ import annotations

from qhub_ext.errors import JobFolderError, SiteError
from qhub_ext.job.spec import JobSpec
from qhub_ext.jobfolder.layout import JobFolder
from qhub_ext.jobfolder.outcome import read_spec, require_own


def read_sendable(folder: JobFolder) -> JobSpec:
    """Raises SiteError for a folder that no site can run."""
    try:
        require_own(folder)
        return read_spec(folder)
    except FileNotFoundError as error:
        raise SiteError(f"{folder.path} is gone; nothing was queued.") from error
    except JobFolderError as error:
        raise SiteError(error.message, advice=error.advice, where=str(folder.path)) from error
