"""Every attribute that a span or its resource has: those of OpenTelemetry's semantic conventions, and those of `qhub.*`.

No code, no values of a user's and no secrets are among them; the names that users give to their own spans and attributes are theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KINDS = {
    "capture": "names of the cell are found and frozen",
    "submit": "the folder is written and handed to the site",
    "queue": "waiting for the site",
    "start": "resources are there; runner and kernel begin",
    "environment": "the kernel loads the inputs and imports",
    "classical": "the cell's own Python",
    "transpile": "Qiskit's pass manager",
    "transport": "a task on its way to a device or back",
    "broker_queue": "a task waits its turn at the broker",
    "device_queue": "a task waits in the device's own queue",
    "quantum": "on the device, or simulated",
    "return": "outputs and variables are put away",
    "container": "what holds other spans, and is none of them itself",
}
"""What passes in a span: the values of `qhub.kind`."""

Type = Literal["string", "int", "double", "boolean"]


@dataclass(frozen=True)
class Attribute:
    """`convention` tells that the name is OpenTelemetry's own. One that ends in `*` stands for all that begin so."""

    name: str
    type: Type
    meaning: str
    convention: bool = False


ATTRIBUTES = (
    Attribute("service.name", "string", "which part wrote it: qhub-client, qhub-runner, qhub-kernel, qhub-helper, qhub-broker, qhub-virtual-qpu", True),
    Attribute("service.version", "string", "of qhub_ext", True),
    Attribute("host.name", "string", "where that process ran", True),
    Attribute("process.pid", "int", "its process", True),
    Attribute("error.type", "string", "class of the error with which the span ended; not its message, which may hold a user's data", True),
    Attribute("code.function.name", "string", "what was called, where the span is a call of a library", True),
    Attribute("server.address", "string", "host of the service that was asked", True),
    Attribute("messaging.batch.message_count", "int", "circuits or PUBs that went together", True),
    Attribute("qhub.kind", "string", "what passed: one of the kinds of span"),
    Attribute("qhub.job.id", "string", "the job"),
    Attribute("qhub.job.attempt", "int", "the site's try, from 1 on"),
    Attribute("qhub.job.tier", "string", "local, emulation or qpu"),
    Attribute("qhub.job.site", "string", "the site scheduler"),
    Attribute("qhub.job.profile", "string", "the policy class"),
    Attribute("qhub.job.state", "string", "the job's last state"),
    Attribute("qhub.device", "string", "the device"),
    Attribute("qhub.device.virtual", "boolean", "a virtual QPU stands in for it"),
    Attribute("qhub.cell.number", "int", "the cell of a notebook, from 1 on"),
    Attribute("qhub.task.id", "string", "one quantum call"),
    Attribute("qhub.task.primitive", "string", "sampler, estimator or backend.run"),
    Attribute("qhub.task.circuits", "int", "executions in the task: a circuit with one set of values each"),
    Attribute("qhub.task.shots", "int", "shots over all of them"),
    Attribute("qhub.task.method", "string", "how it was simulated"),
    Attribute("qhub.task.vendor_id", "string", "the device's or broker's own id of it"),
    Attribute("qhub.task.polls", "int", "how often the device was asked how far it is"),
    Attribute("qhub.task.state", "string", "how it ended on the device"),
    Attribute("qhub.task.slice", "int", "number of the slice, from 1 on"),
    Attribute("qhub.task.units", "int", "shots or PUBs of the slice"),
    Attribute("qhub.qpu.seconds", "double", "seconds of QPU as the device counts them"),
    Attribute("qhub.transpile.circuits", "int", "circuits that went through the pass manager together"),
    Attribute("qhub.clock.ahead", "double", "seconds by which the clock of the writer is ahead of the file system's"),
    Attribute("qhub.clock.host", "string", "by whose clock the times are, where it is not the writer's own: who asked for the span"),
    Attribute("qhub.clock.device_ahead", "double", "seconds by which the device's clock was ahead; its times are corrected by that"),
    Attribute("qhub.clock.error", "double", "how wrong that may be, in seconds"),
    Attribute("qhub.spans.dropped", "int", "spans that were left out because there were too many"),
    Attribute("qhub.user.*", "string", "what user code gave to `qhub_ext.span`: string, int, double or boolean"),
)  # fmt: skip

_NAMES = {attribute.name: attribute for attribute in ATTRIBUTES}
USER = "qhub.user."


def known(name: str) -> Attribute | None:
    return _NAMES.get(name) or (_NAMES[f"{USER}*"] if name.startswith(USER) else None)
