"""One job in each state that can be had in short time."""

from __future__ import annotations

from qhub_ext.capture.sweep import Sweep
from qhub_ext.service import Job
from tests.browser.lab import Lab

STEPS = """
import time
for step in range(6000):
    print(f"step {step}: energy {-1.1 - 0.02 * min(step, 30):.3f}", flush=True)
    time.sleep(1)
"""


def hang(lab: Lab) -> dict[str, Job]:
    """The jobs by name. The last ones never end by themselves: `take_down` cancels them."""
    jobs = {
        "bell pair": lab.submit("print(1)", name="bell pair", tier="emulation", shots=4000),
        "wrong by one": lab.submit("angles = [0.1, 0.2]\nangles[2]", name="wrong by one", tier="local"),
        "sweep of theta": lab.submit(
            "print(theta)\nenergy = theta**2",
            name="sweep of theta", tier="local", sweeps=(Sweep("theta", (0.0, 0.5, 1.0, 1.5)),),
        ),
        "too long": lab.submit("import time\ntime.sleep(600)", name="too long", tier="local", time_s=2),
    }  # fmt: skip
    for job in jobs.values():
        job.wait(240)
    jobs["vqe of LiH"] = lab.submit(STEPS, name="vqe of LiH", tier="local")
    for name in ("ghz on 12 qubits", "on hold", "called off"):
        jobs[name] = lab.submit("print(1)", name=name, tier="emulation", device="fez", cpus=2)
    service = lab.service
    service.apply("hold", [jobs["on hold"].id])
    service.apply("cancel", [jobs["called off"].id])
    return jobs


def take_down(lab: Lab, jobs: dict[str, Job]) -> None:
    lab.service.apply("cancel", [job.id for job in jobs.values()])


STATES = {
    "bell pair": "completed",
    "wrong by one": "failed",
    "sweep of theta": "completed",
    "too long": "timed_out",
    "vqe of LiH": "running",
    "ghz on 12 qubits": "queued",
    "on hold": "held",
    "called off": "cancelled",
}
