"""Elements of one array that wait, each for a reason of its own."""

from __future__ import annotations

from qhub_ext.job.state import State
from tests.slurm.fixtures import SlurmWorkshop
from tests.waiting import wait_until


def test_an_element_that_is_held_is_told_from_its_neighbours_in_the_same_line_of_squeue(bench: SlurmWorkshop) -> None:
    _, elements = bench.array("sleep 600", 5, site_options={"array-running": "1"})
    bench.site.submit(elements)
    bench.until_running(elements[0])
    assert bench.site.hold([elements[3].id]) == []
    told = [State.QUEUED, State.QUEUED, State.HELD, State.QUEUED]
    wait_until(lambda: [bench.reported(one) for one in elements[1:]] == told, what="the hold of one")
    assert "is held" in bench.site.explain_reason(elements[3].id).sentence
    assert "may run at a time" in bench.site.explain_reason(elements[2].id).sentence
    entries = {entry.job_id: entry.state for entry in bench.site.queue()}
    assert [entries[one.id] for one in elements[1:]] == told
    assert [refusal.job_id for refusal in bench.site.release([elements[2].id, elements[3].id])] == [elements[2].id]
    wait_until(lambda: bench.reported(elements[3]) is State.QUEUED, what="its release")
