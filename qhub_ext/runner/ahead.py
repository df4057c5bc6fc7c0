"""All that a runner and its kernel import before the cell's first line, imported: for a process that is forked from.

Nothing of a user's, no qiskit, no thread, no socket; a test compares what a cell finds imported with a runner of its own.
"""

# ruff: noqa: F401, E402
from qhub_ext.runner.boot import without_debugger

without_debugger()  # before anything else asks ipykernel for its debugger

import ipykernel.kernelapp
import IPython.core.completerlib
import IPython.core.debugger
import IPython.extensions.storemagic
import tornado.platform.asyncio

from qhub_ext.capture import freeze, manifest, names, runtime, thaw
from qhub_ext.runner import __main__, allocation, attempt, early, jobkernel, jobstream, setting, supervisor
